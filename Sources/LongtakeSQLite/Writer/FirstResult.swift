import Dispatch
import Synchronization

/// The first of several results for one waiting caller: of work on another thread, or of a timeout.
final class FirstResult<Value: Sendable>: Sendable {
    private struct State {
        var result: Result<Value, any Error>?
        var caller: CheckedContinuation<Value, any Error>?
    }

    private let state = Mutex(State())

    /// Whether there is no result yet.
    var isWaiting: Bool { state.withLock { $0.result == nil } }

    /// Later results are ignored.
    func give(_ result: Result<Value, any Error>) {
        let caller = state.withLock { state -> CheckedContinuation<Value, any Error>? in
            guard state.result == nil else { return nil }
            state.result = result
            return state.caller.take()
        }
        caller?.resume(with: result)
    }

    /// Gives a result after a delay.
    func give(_ result: Result<Value, any Error>, after time: Duration) {
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(Int(time / .milliseconds(1)))) {
            self.give(result)
        }
    }

    /// Waits for the first result. Called once.
    func value() async throws -> Value {
        try await withCheckedThrowingContinuation { caller in
            let known = state.withLock { state in
                if state.result == nil { state.caller = caller }
                return state.result
            }
            if let known { caller.resume(with: known) }
        }
    }
}
