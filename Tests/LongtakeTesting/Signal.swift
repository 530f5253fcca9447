import Synchronization

/// Something that happens once; any number of tasks may wait for it.
public final class Signal: Sendable {
    private let state = Mutex<(isGiven: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))

    public init() {}

    /// It has happened. Harmless when given again.
    public func give() {
        let waiters = state.withLock { state in
            state.isGiven = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Returns when it has happened; at once when it already has. Not cancellable: a test that waits in vain is to hang and be seen.
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
