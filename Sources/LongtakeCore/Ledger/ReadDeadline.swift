import Synchronization

/// Limits how long a caller waits for a read, even if the disk hangs. A caller that has waited too
/// long gets ``JournalError/overloaded``, and the result of its read is dropped. A cancelled caller
/// stops waiting at once.
///
/// Time is counted in periods of ``Limits/readPeriod``. So a pause of the machine rejects no
/// caller.
package final class ReadDeadline: Sendable {
    private struct Caller {
        /// The period in which the wait began.
        let period: Int
        let fail: @Sendable (any Error) -> Void
    }

    private struct State {
        var period = 0
        var lastID = 0
        /// The callers that wait, by the id of their wait.
        var callers: [Int: Caller] = [:]

        mutating func takeLate() -> [Caller] {
            period += 1
            let late = callers.filter { period - $0.value.period >= Limits.readPeriods }
            for id in late.keys { callers[id] = nil }
            // The oldest one first, because it is at the head of the queue in which it waits.
            return late.sorted { $0.key < $1.key }.map(\.value)
        }
    }

    private let state = Mutex(State())

    package init() {}

    /// Whether the caller still waits.
    package func isWaiting(_ id: Int) -> Bool { state.withLock { $0.callers[id] != nil } }

    /// Ends a wait. If the caller still waited, this must be followed by its result.
    /// - Returns: whether the caller still waited. If not, it has already got an error.
    package func end(_ id: Int) -> Bool { state.withLock { $0.callers.removeValue(forKey: id) != nil } }

    /// A period has passed. Callers that have waited too long get an error.
    package func tick() {
        for caller in state.withLock({ $0.takeLate() }) { caller.fail(JournalError.overloaded) }
    }

    /// Ends all waits with an error.
    package func failAll(with error: any Error) {
        let callers = state.withLock { state in
            defer { state.callers = [:] }
            return state.callers
        }
        for caller in callers.values { caller.fail(error) }
    }

    /// Waits for a result.
    /// - Parameters:
    ///   - whenFailed: called with the id of the wait after ``tick()``, ``failAll(with:)`` or a
    ///     cancellation has ended it.
    ///   - begin: called with the id of the wait. To deliver the result, call ``end(_:)``. If it
    ///     returns `true`, resume the continuation.
    package func wait<Value: Sendable>(
        whenFailed: @escaping @Sendable (Int) -> Void = { _ in },
        _ begin: @escaping @Sendable (Int, CheckedContinuation<Value, any Error>) -> Void
    ) async throws -> Value {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (caller: CheckedContinuation<Value, any Error>) in
                add(id) {
                    caller.resume(throwing: $0)
                    whenFailed(id)
                }
                begin(id, caller)
                // If the task was cancelled before the caller was added, the handler below found
                // nothing.
                if Task.isCancelled { cancel(id) }
            }
        } onCancel: {
            cancel(id)
        }
    }

    private func add(_ id: Int, _ fail: @escaping @Sendable (any Error) -> Void) {
        state.withLock { $0.callers[id] = Caller(period: $0.period, fail: fail) }
    }

    private func cancel(_ id: Int) {
        state.withLock { $0.callers.removeValue(forKey: id) }?.fail(CancellationError())
    }

    /// Waits for the result of `read`.
    /// - Parameter read: gets a closure that returns whether the caller still waits.
    package func within<Value: Sendable>(
        _ read: @escaping @Sendable (_ isWanted: @escaping @Sendable () -> Bool) async throws -> Value
    ) async throws -> Value {
        try await wait { id, caller in
            // Unstructured, because a read that hangs cannot be ended, and its caller must be able
            // to leave.
            Task {
                let result: Result<Value, any Error>
                do { result = .success(try await read { self.isWaiting(id) }) } catch { result = .failure(error) }
                if self.end(id) { caller.resume(with: result) }
            }
        }
    }
}
