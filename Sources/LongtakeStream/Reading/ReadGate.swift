import LongtakeCore
import Synchronization

/// Limits how many reads of streams run at the store at once. The others wait here, and tenants
/// take turns (``TenantTurns``).
///
/// The store schedules all reads fairly by itself. This gate keeps streams from filling the store's
/// queue: if ten thousand clients reconnect together, each one looks for a page in memory again
/// when its turn comes. The gate has no limit for waiting reads, because there are never more of
/// them than streams. If the disk hangs, a read fails after ``Limits/readPeriods``.
final class ReadGate: Sendable {
    private struct Waiter {
        /// The period in which the wait began.
        let period: Int
        let turn: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var turns: TenantTurns<Waiter>
        /// The current period, as in ``ReadDeadline``.
        var period = 0
    }

    private let state: Mutex<State>

    /// - Parameter width: how many reads run at once.
    init(width: Int) { state = Mutex(State(turns: TenantTurns(width: width))) }

    /// How many reads wait.
    var waiting: Int { state.withLock { $0.turns.waiting } }

    /// A period has passed.
    func tick() {
        let late = state.withLock { state in
            state.period += 1
            return state.turns.removeAll { state.period - $0.period >= Limits.readPeriods }
        }
        for waiter in late { waiter.turn.resume(throwing: JournalError.overloaded) }
    }

    /// Runs `body` when its turn comes.
    /// - Throws: what `body` throws; ``JournalError/overloaded`` if the turn does not come in time.
    func pass<Value: Sendable>(for tenant: TenantName, _ body: () async throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { turn in
            let isFree = state.withLock { state in
                let isFree = state.turns.begin(of: tenant)
                if !isFree { state.turns.wait(Waiter(period: state.period, turn: turn), of: tenant) }
                return isFree
            }
            if isFree { turn.resume() }
        }
        defer { state.withLock { $0.turns.end(of: tenant) }?.waiter.turn.resume() }
        return try await body()
    }
}
