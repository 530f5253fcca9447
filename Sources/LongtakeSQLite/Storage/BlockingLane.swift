import Dispatch
import LongtakeCore
import Synchronization

/// A thread of its own for calls that last as long as a disk hangs, one after the other. Whoever waits for one has a deadline, and only so
/// many wait at once. So a disk that does not answer takes this one thread, and none of those that serve everybody.
final class BlockingLane: Sendable {
    private let queue: DispatchQueue
    private let most: Int
    private let patience: Duration
    private let state = Mutex(State())

    private struct State {
        var waiting = 0
        /// Somebody has waited in vain for the call that is under way.
        var isStuck = false
    }

    /// - Parameters:
    ///   - most: callers that wait at once.
    ///   - patience: how long each waits.
    init(label: String, most: Int, patience: Duration) {
        queue = DispatchQueue(label: label)
        self.most = most
        self.patience = patience
    }

    /// Does `body` on the lane's thread.
    /// - Parameter body: given a closure that says whether its caller still waits. It asks before it changes anything.
    /// - Throws: ``BackupsUnanswered`` if the lane does not come to an end in time or too many wait; or what `body` throws.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable (_ isWanted: @escaping @Sendable () -> Bool) throws -> Value
    ) async throws -> Value {
        let isLetIn = state.withLock { state in
            // Behind a call that hangs, waiting serves nobody.
            guard state.waiting < most, !state.isStuck else { return false }
            state.waiting += 1
            return true
        }
        guard isLetIn else { throw BackupsUnanswered() }
        let caller = FirstResult<Value>()
        queue.async { [self] in
            defer { done() }
            guard caller.isWaiting else { return }
            caller.give(Result { try body { caller.isWaiting } })
        }
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(Int(patience / .milliseconds(1)))) {
            [self] in
            if caller.isWaiting { state.withLock { $0.isStuck = $0.waiting > 0 } }
            caller.give(.failure(BackupsUnanswered()))
        }
        return try await caller.value()
    }

    /// Does `body` when all that was begun before is done; nobody waits for it.
    func begin(_ body: @escaping @Sendable () -> Void) { queue.async(execute: body) }

    /// The call that was under way is over, so the lane is not stuck.
    private func done() {
        state.withLock { state in
            state.waiting -= 1
            state.isStuck = false
        }
    }
}
