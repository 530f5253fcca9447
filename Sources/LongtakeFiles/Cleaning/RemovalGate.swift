import Synchronization

/// Lets one removal at a time happen, and none while it is paused: a pure value.
struct RemovalState<Waiter> {
    private(set) var pauses = 0
    private(set) var removals = 0
    private var waiters: [Waiter] = []

    /// - Returns: `false` while removals are paused.
    mutating func begin() -> Bool {
        guard pauses == 0 else { return false }
        removals += 1
        return true
    }

    /// - Returns: the callers of a pause that need not wait any more.
    mutating func end() -> [Waiter] {
        precondition(removals > 0, "a removal has begun")
        removals -= 1
        guard removals == 0 else { return [] }
        defer { waiters = [] }
        return waiters
    }

    /// - Returns: the waiter if no removal is running; `nil` if it must wait for ``end()``.
    mutating func pause(_ waiter: Waiter) -> Waiter? {
        pauses += 1
        guard removals > 0 else { return waiter }
        waiters.append(waiter)
        return nil
    }

    /// - Returns: whether removals are allowed again.
    mutating func resume() -> Bool {
        precondition(pauses > 0, "removals are paused")
        pauses -= 1
        return pauses == 0
    }
}

/// Decides when a failed pass of the cleaner is tried again, and what is logged: a pure value.
struct CleaningRetry: Hashable {
    static let firstDelay: Duration = .seconds(1)
    static let longestDelay: Duration = .seconds(60)

    private var failures = 0

    /// - Returns: the time until the next try, and whether this is the first failure in a row,
    ///   which is logged.
    mutating func failed() -> (delay: Duration, isNew: Bool) {
        failures += 1
        // 1 s, 2 s, 4 s … 32 s, 60 s.
        let delay = failures > 6 ? Self.longestDelay : Self.firstDelay * (1 << (failures - 1))
        return (delay, failures == 1)
    }

    /// - Returns: whether the last pass had failed, so that its end is logged.
    mutating func succeeded() -> Bool {
        defer { failures = 0 }
        return failures > 0
    }
}
