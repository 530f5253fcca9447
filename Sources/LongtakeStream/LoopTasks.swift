import LongtakeCore
public import NIOCore
import Synchronization

/// Counts the tasks that hand results to event loops, so that shutdown stops the loops only after
/// the last task has ended. A stopped loop discards what it is given.
public final class LoopTasks: Sendable {
    private struct State {
        var count = 0
        var waiter: CheckedContinuation<Bool, Never>?
    }

    private let state = Mutex(State())

    public init() {}

    /// Starts a task. Unstructured, because the callers are callbacks of an event loop, which must
    /// not wait.
    public func start(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        state.withLock { $0.count += 1 }
        return Task {
            await body()
            taskEnded()
        }
    }

    /// Waits until no task is running. Only one caller may wait at a time.
    /// - Parameters:
    ///   - timeout: the longest wait.
    ///   - loop: its clock measures the timeout.
    /// - Returns: whether all tasks have ended.
    public func finished(within timeout: Duration, on loop: any EventLoop) async -> Bool {
        await withCheckedContinuation { caller in
            let isIdle = state.withLock { state in
                if state.count > 0 { state.waiter = caller }
                return state.count == 0
            }
            if isIdle { return caller.resume(returning: true) }
            loop.scheduleTask(in: TimeAmount(timeout)) { self.takeWaiter()?.resume(returning: false) }
        }
    }

    private func taskEnded() {
        let isIdle = state.withLock { state in
            state.count -= 1
            return state.count == 0
        }
        if isIdle { takeWaiter()?.resume(returning: true) }
    }

    private func takeWaiter() -> CheckedContinuation<Bool, Never>? {
        state.withLock { state in
            defer { state.waiter = nil }
            return state.waiter
        }
    }
}
