import LongtakeCore

/// When the timers of the ``Pruner`` that run will look. A new one is only ever set for earlier than all of them, so there are few.
struct PrunerTimers: Hashable, Sendable {
    private var times: Set<Timestamp> = []

    /// - Returns: whether no timer that runs looks as early; then there is to be one that does.
    mutating func set(_ time: Timestamp) -> Bool {
        if let earliest = times.min(), earliest <= time { return false }
        times.insert(time)
        return true
    }

    /// The wait of one is over.
    mutating func fired(_ time: Timestamp) { times.remove(time) }
}
