import Synchronization

/// Bounds how long anybody waits for a read, whatever the disk does: who has waited for too long is refused, as by a journal that has too many
/// reads waiting, and what the read gives later is for nobody. Who is cancelled stops waiting at once.
///
/// Time is counted in periods of ``Limits/readPeriod``, so that a machine that was paused refuses nobody for it.
package final class ReadDeadline: Sendable {
    private struct Caller {
        let arrival: Int
        let refuse: @Sendable (any Error) -> Void
    }

    private struct State {
        var period = 0
        var tickets = 0
        var callers: [Int: Caller] = [:]

        mutating func takeLate() -> [Caller] {
            period += 1
            let late = callers.filter { period - $0.value.arrival >= Limits.readPeriods }
            for ticket in late.keys { callers[ticket] = nil }
            // The oldest first: it stands at the head of whatever line its caller waits in.
            return late.sorted { $0.key < $1.key }.map(\.value)
        }
    }

    private let state = Mutex(State())

    package init() {}

    private func open(_ ticket: Int, _ refuse: @escaping @Sendable (any Error) -> Void) {
        state.withLock { $0.callers[ticket] = Caller(arrival: $0.period, refuse: refuse) }
    }

    /// Whether the caller still waits.
    package func isOpen(_ ticket: Int) -> Bool { state.withLock { $0.callers[ticket] != nil } }

    /// - Returns: whether the caller still waits. Where not, it was refused.
    package func close(_ ticket: Int) -> Bool { state.withLock { $0.callers.removeValue(forKey: ticket) != nil } }

    /// A period has passed.
    package func tick() {
        for caller in state.withLock({ $0.takeLate() }) { caller.refuse(JournalError.overloaded) }
    }

    /// Refuses all callers who wait now.
    package func refuseAll(with error: any Error) {
        let callers = state.withLock { state in
            defer { state.callers = [:] }
            return state.callers
        }
        for caller in callers.values { caller.refuse(error) }
    }

    /// Has a caller wait, until whoever has its ticket closes that and resumes it.
    /// - Parameter whenRefused: called with the ticket behind the refusal, or when the caller was cancelled.
    package func wait<Value: Sendable>(
        whenRefused: @escaping @Sendable (Int) -> Void = { _ in },
        _ begin: @escaping @Sendable (Int, CheckedContinuation<Value, any Error>) -> Void
    ) async throws -> Value {
        let ticket = state.withLock { state in
            state.tickets += 1
            return state.tickets
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (caller: CheckedContinuation<Value, any Error>) in
                open(ticket) {
                    caller.resume(throwing: $0)
                    whenRefused(ticket)
                }
                begin(ticket, caller)
                // The handler below may have run before there was anything to take back.
                if Task.isCancelled { cancel(ticket) }
            }
        } onCancel: {
            cancel(ticket)
        }
    }

    private func cancel(_ ticket: Int) {
        state.withLock { $0.callers.removeValue(forKey: ticket) }?.refuse(CancellationError())
    }

    /// What `read` gives, where it does so in time. It is given a word that says whether anybody still waits.
    package func within<Value: Sendable>(
        _ read: @escaping @Sendable (_ isWanted: @escaping @Sendable () -> Bool) async throws -> Value
    ) async throws -> Value {
        try await wait { ticket, caller in
            // Unstructured, since nobody can end a read that hangs, and whoever waits for it has to be able to leave.
            Task {
                let result: Result<Value, any Error>
                do { result = .success(try await read { self.isOpen(ticket) }) } catch { result = .failure(error) }
                if self.close(ticket) { caller.resume(with: result) }
            }
        }
    }
}
