import NIOCore
import Synchronization

/// Lets so many reads run at once; others wait, in the order in which they came.
///
/// They wait rather than being refused, since there are never more of them than streams and each is short: ten thousand readers who
/// return together are all served, while other requests find the journal as free as ever.
final class ReadGate: Sendable {
    private struct State {
        var free: Int
        /// In the order of arrival.
        var waiters = CircularBuffer<CheckedContinuation<Void, Never>>()

        mutating func next() -> CheckedContinuation<Void, Never>? {
            if waiters.isEmpty { free += 1 }
            return waiters.popFirst()
        }
    }

    private let state: Mutex<State>

    init(width: Int) { state = Mutex(State(free: width)) }

    /// How many wait.
    var waiting: Int { state.withLock { $0.waiters.count } }

    /// Runs `body` when it is its turn.
    func pass<Value: Sendable>(_ body: () async throws -> Value) async rethrows -> Value {
        await withCheckedContinuation { turn in
            let isFree = state.withLock { state in
                guard state.free == 0 else {
                    state.free -= 1
                    return true
                }
                state.waiters.append(turn)
                return false
            }
            if isFree { turn.resume() }
        }
        defer { state.withLock { $0.next() }?.resume() }
        return try await body()
    }
}
