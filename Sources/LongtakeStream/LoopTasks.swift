import LongtakeCore
public import NIOCore
import Synchronization

/// Counts the tasks that hand work to event loops, so that a stop shuts the loops down behind the last of them. A loop that has shut down drops
/// what it is given.
public final class LoopTasks: Sendable {
    private struct State {
        var count = 0
        var whenNone: CheckedContinuation<Bool, Never>?
    }

    private let state = Mutex(State())

    public init() {}

    /// Starts a task. Unstructured: its callers are callbacks of a loop, which must not wait.
    public func start(_ body: @escaping @Sendable () async -> Void) -> Task<Void, Never> {
        state.withLock { $0.count += 1 }
        return Task {
            await body()
            ended()
        }
    }

    /// Waits until no task runs any more.
    /// - Parameters:
    ///   - patience: how long it waits at the most.
    ///   - loop: whose clock measures that.
    /// - Returns: whether none runs.
    public func finished(within patience: Duration, on loop: any EventLoop) async -> Bool {
        await withCheckedContinuation { caller in
            let isNone = state.withLock { state in
                if state.count > 0 { state.whenNone = caller }
                return state.count == 0
            }
            if isNone { return caller.resume(returning: true) }
            loop.scheduleTask(in: TimeAmount(patience)) { self.takeWaiter()?.resume(returning: false) }
        }
    }

    private func ended() {
        let isNone = state.withLock { state in
            state.count -= 1
            return state.count == 0
        }
        if isNone { takeWaiter()?.resume(returning: true) }
    }

    private func takeWaiter() -> CheckedContinuation<Bool, Never>? {
        state.withLock { state in
            defer { state.whenNone = nil }
            return state.whenNone
        }
    }
}
