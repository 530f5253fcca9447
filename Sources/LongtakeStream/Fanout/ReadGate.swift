import LongtakeCore
import NIOCore
import Synchronization

/// Lets so many reads run at once; others wait, the tenants' in turn, and those of one tenant in the order in which they came: who has a
/// thousand readers delays another's one by a read and not by a thousand.
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
        /// Each tenant's in the order of arrival.
        var waiters: [TenantName: CircularBuffer<Waiter>] = [:]
        /// The tenants that have some, in the order of their turns.
        var turns = CircularBuffer<TenantName>()

        mutating func add(_ waiter: Waiter, of tenant: TenantName) {
            if waiters[tenant] == nil { turns.append(tenant) }
            waiters[tenant, default: []].append(waiter)
        }

        mutating func next() -> Waiter? {
            guard let tenant = turns.popFirst() else {
                free += 1
                return nil
            }
            let waiter = waiters[tenant]?.popFirst()
            if waiters[tenant]?.isEmpty == false { turns.append(tenant) } else { waiters[tenant] = nil }
            return waiter
        }

        mutating func takeLate() -> [Waiter] {
            period += 1
            var late: [Waiter] = []
            for tenant in turns {
                while let first = waiters[tenant]?.first, period - first.arrival >= Limits.readPeriods {
                    late.append(first)
                    waiters[tenant]?.removeFirst()
                }
                if waiters[tenant]?.isEmpty == true { waiters[tenant] = nil }
            }
            turns.removeAll { waiters[$0] == nil }
            return late
        }
    }

    private let state: Mutex<State>

    init(width: Int) { state = Mutex(State(free: width)) }

    /// How many wait.
    var waiting: Int { state.withLock { $0.waiters.values.reduce(0) { $0 + $1.count } } }

    /// A period has passed.
    func tick() {
        for waiter in state.withLock({ $0.takeLate() }) { waiter.turn.resume(throwing: JournalError.overloaded) }
    }

    /// Runs `body` when it is its turn.
    /// - Throws: what `body` throws; ``JournalError/overloaded`` where its turn did not come.
    func pass<Value: Sendable>(for tenant: TenantName, _ body: () async throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { turn in
            let isFree = state.withLock { state in
                guard state.free == 0 else {
                    state.free -= 1
                    return true
                }
                state.add(Waiter(arrival: state.period, turn: turn), of: tenant)
                return false
            }
            if isFree { turn.resume() }
        }
        defer { state.withLock { $0.next() }?.turn.resume() }
        return try await body()
    }
}
