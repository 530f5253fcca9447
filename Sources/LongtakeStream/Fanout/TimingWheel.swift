import LongtakeCore

/// Deadlines of many entries with one timer: a ring of slots, one for each tick, that one hand goes around.
///
/// Time is counted in ticks that the caller advances, so a machine that slept can skip what it slept and no deadline fires for it.
/// An entry is found again by whoever put it in: the wheel gives the entry back at its tick, and the owner decides whether the
/// deadline still stands or has moved on. So moving a deadline costs nothing.
struct TimingWheel<Entry> {
    private var slots: [[(tick: Int, entry: Entry)]]
    /// The current tick.
    private(set) var now = 0
    private(set) var count = 0

    /// - Parameter slots: how many ticks one round takes; entries further away wait for their round.
    init(slots: Int) {
        precondition(slots > 0, "a wheel has slots")
        self.slots = Array(repeating: [], count: slots)
    }

    /// Gives `entry` back once at `tick`, or at the next tick where that is past.
    mutating func schedule(_ entry: Entry, at tick: Int) {
        let due = max(tick, now + 1)
        slots[due % slots.count].append((due, entry))
        count += 1
    }

    /// Goes on by one tick and takes out what is due.
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

/// How many ticks a wheel advances when its timer fires: as many as have passed, but one after a pause of the machine, which so
/// shifts all deadlines instead of firing them.
struct TickCounter: Hashable, Sendable {
    let tick: Duration
    /// A timer that is later than this was not late but paused.
    let pause: Duration
    /// What is left of a tick, for the next time: without it each late timer would put all deadlines off by its lateness.
    private var rest: Duration = .zero

    init(tick: Duration, pause: Duration = Limits.pauseNoticed) {
        self.tick = tick
        self.pause = pause
    }

    /// - Parameter elapsed: since the call before.
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
