import Synchronization

/// A signal that is given once. Any number of tasks may wait for it.
public final class Signal: Sendable {
    private let state = Mutex<(isGiven: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))

    public init() {}

    /// Gives the signal and resumes all waiting tasks. A second call does nothing.
    public func give() {
        let waiters = state.withLock { state in
            state.isGiven = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Returns when the signal is given, or at once if it already was. It cannot be cancelled: if
    /// the signal is never given, the test hangs and the mistake is visible.
    public func wait() async {
        await withCheckedContinuation { continuation in
            let isGiven = state.withLock { state in
                if !state.isGiven { state.waiters.append(continuation) }
                return state.isGiven
            }
            if isGiven { continuation.resume() }
        }
    }
}
