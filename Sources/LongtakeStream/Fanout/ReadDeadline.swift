import LongtakeCore
import Synchronization

/// Bounds how long anybody waits for a read, whatever the disk does: who has waited for too long is refused, as by a journal that has too many
/// reads waiting, and what the read gives later is for nobody.
///
/// Time is counted in periods of ``Housekeeping``, so that a machine that was paused refuses nobody for it.
final class ReadDeadline: Sendable {
    private struct Caller {
        let arrival: Int
        let refuse: @Sendable (JournalError) -> Void
    }

    private struct State {
        var period = 0
        var tickets = 0
        var callers: [Int: Caller] = [:]

        mutating func takeLate() -> [Caller] {
            period += 1
            let late = callers.filter { period - $0.value.arrival >= Limits.streamReadPeriods }
            for ticket in late.keys { callers[ticket] = nil }
            return Array(late.values)
        }
    }

    private let state = Mutex(State())

    /// From here on `refuse` may be called, once, until ``close(_:)``.
    func open(_ refuse: @escaping @Sendable (JournalError) -> Void) -> Int {
        state.withLock { state in
            state.tickets += 1
            state.callers[state.tickets] = Caller(arrival: state.period, refuse: refuse)
            return state.tickets
        }
    }

    /// - Returns: whether the caller still waits. Where not, it was refused.
    func close(_ ticket: Int) -> Bool { state.withLock { $0.callers.removeValue(forKey: ticket) != nil } }

    /// A period has passed.
    func tick() {
        for caller in state.withLock({ $0.takeLate() }) { caller.refuse(.overloaded) }
    }

    /// What `read` gives, where it does so in time.
    func within<Value: Sendable>(_ read: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { (caller: CheckedContinuation<Value, any Error>) in
            let ticket = open { caller.resume(throwing: $0) }
            // Unstructured, since nobody can end a read that hangs, and whoever waits for it has to be able to leave.
            Task {
                let result: Result<Value, any Error>
                do { result = .success(try await read()) } catch { result = .failure(error) }
                if self.close(ticket) { caller.resume(with: result) }
            }
        }
    }
}
