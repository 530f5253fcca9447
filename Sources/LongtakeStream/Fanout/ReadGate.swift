import LongtakeCore
import NIOCore
import Synchronization

/// Lets so many reads run at once; others wait, in the order in which they came.
///
/// They wait rather than being refused, since there are never more of them than streams and each is short: ten thousand readers who
/// return together are all served, while other requests find the journal as free as ever. Where the disk hangs they would wait for ever, so
/// those who have waited for too long are refused after all.
final class ReadGate: Sendable {
    private struct Waiter {
        let arrival: Int
        let turn: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var free: Int
        /// As ``ReadDeadline`` counts them.
        var period = 0
        /// In the order of arrival.
        var waiters = CircularBuffer<Waiter>()

        mutating func next() -> Waiter? {
            if waiters.isEmpty { free += 1 }
            return waiters.popFirst()
        }

        mutating func takeLate() -> [Waiter] {
            period += 1
            var late: [Waiter] = []
            while let first = waiters.first, period - first.arrival >= Limits.streamReadPeriods {
                late.append(waiters.removeFirst())
            }
            return late
        }
    }

    private let state: Mutex<State>

    init(width: Int) { state = Mutex(State(free: width)) }

    /// How many wait.
    var waiting: Int { state.withLock { $0.waiters.count } }

    /// A period has passed.
    func tick() {
        for waiter in state.withLock({ $0.takeLate() }) { waiter.turn.resume(throwing: JournalError.overloaded) }
    }

    /// Runs `body` when it is its turn.
    /// - Throws: what `body` throws; ``JournalError/overloaded`` where its turn did not come.
    func pass<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { turn in
            let isFree = state.withLock { state in
                guard state.free == 0 else {
                    state.free -= 1
                    return true
                }
                state.waiters.append(Waiter(arrival: state.period, turn: turn))
                return false
            }
            if isFree { turn.resume() }
        }
        defer { state.withLock { $0.next() }?.turn.resume() }
        return try await body()
    }
}
