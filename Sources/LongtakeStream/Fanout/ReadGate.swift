import LongtakeCore
import Synchronization

/// Lets so many streams' reads go to the journal at once. The others wait here, in turns by tenant (``TenantTurns``).
///
/// The journal schedules all reads fairly by itself. This gate keeps streams from filling the journal's queue: ten thousand readers who return
/// together wait here, where each looks again for a page in memory when its turn comes. It refuses nobody for their number, since there are
/// never more waiting than streams. When the disk hangs they would wait for ever, so those who have waited for too long are refused.
final class ReadGate: Sendable {
    private struct Waiter {
        let arrival: Int
        let turn: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var turns: TenantTurns<Waiter>
        /// As ``ReadDeadline`` counts them.
        var period = 0
    }

    private let state: Mutex<State>

    init(width: Int) { state = Mutex(State(turns: TenantTurns(width: width))) }

    /// How many wait.
    var waiting: Int { state.withLock { $0.turns.waiting } }

    /// A period has passed.
    func tick() {
        let late = state.withLock { state in
            state.period += 1
            return state.turns.removeAll { state.period - $0.arrival >= Limits.readPeriods }
        }
        for waiter in late { waiter.turn.resume(throwing: JournalError.overloaded) }
    }

    /// Runs `body` when it is its turn.
    /// - Throws: what `body` throws; ``JournalError/overloaded`` where its turn did not come.
    func pass<Value: Sendable>(for tenant: TenantName, _ body: () async throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { turn in
            let begins = state.withLock { state in
                let begins = state.turns.begin(of: tenant)
                if !begins { state.turns.wait(Waiter(arrival: state.period, turn: turn), of: tenant) }
                return begins
            }
            if begins { turn.resume() }
        }
        defer { state.withLock { $0.turns.end(of: tenant) }?.waiter.turn.resume() }
        return try await body()
    }
}
