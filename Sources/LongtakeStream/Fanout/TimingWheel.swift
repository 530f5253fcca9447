import LongtakeCore

/// The deadlines of many entries with one timer: a ring of slots, one for each tick.
///
/// The caller counts time in ticks. If the machine was suspended, the caller skips that time, and
/// no deadline fires for it. At its tick the wheel returns an entry, and the owner decides whether
/// the deadline still holds or has moved. So moving a deadline costs nothing.
struct TimingWheel<Entry> {
    private var slots: [[(tick: Int, entry: Entry)]]
    /// The current tick.
    private(set) var now = 0
    private(set) var count = 0

    /// - Parameter slots: the ticks of one round. Entries that are further away stay for several
    ///   rounds.
    init(slots: Int) {
        precondition(slots > 0, "a wheel has slots")
        self.slots = Array(repeating: [], count: slots)
    }

    /// Returns `entry` once at `tick`, or at the next tick if that has passed.
    mutating func schedule(_ entry: Entry, at tick: Int) {
        let due = max(tick, now + 1)
        slots[due % slots.count].append((due, entry))
        count += 1
    }

    /// Advances by one tick and removes the entries that are due.
    mutating func advance() -> [Entry] {
        now += 1
        let slot = now % slots.count
        guard !slots[slot].isEmpty else { return [] }
        let due = slots[slot].filter { $0.tick <= now }
        slots[slot].removeAll { $0.tick <= now }
        count -= due.count
        return due.map(\.entry)
    }
}

/// Counts how many ticks a wheel advances when its timer fires.
///
/// That is the elapsed time, except after a suspension of the machine. Then it is one tick, so that
/// the suspension postpones all deadlines instead of firing them.
struct TickCounter: Hashable, Sendable {
    let tick: Duration
    /// A timer that is later than this was suspended.
    let pause: Duration
    /// The rest of the elapsed time, for the next call. Without it, a loop that is always late
    /// would postpone all deadlines.
    private var rest: Duration = .zero

    init(tick: Duration, pause: Duration = Limits.pauseThreshold) {
        self.tick = tick
        self.pause = pause
    }

    /// - Parameter elapsed: the time since the last call.
    mutating func ticks(in elapsed: Duration) -> Int {
        guard elapsed < tick + pause else {
            rest = .zero
            return 1
        }
        let ticks = max(1, Int((rest + elapsed) / tick))
        rest = max(.zero, rest + elapsed - tick * ticks)
        return ticks
    }
}
