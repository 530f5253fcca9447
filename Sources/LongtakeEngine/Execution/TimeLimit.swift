import LongtakeCore

/// What an attempt may take, of the time in which it could work.
///
/// A machine that is paused, or a process that is stopped, wakes up with all its deadlines behind it. So the limit is slept in parts, and a part that
/// ends late by more than ``Limits/pauseNoticed`` is slept anew: a pause costs nobody an attempt, and lengthens the limit by a part at most.
struct TimeLimit: Sendable {
    let limit: Duration
    let clock: any Clock<Duration>

    static let parts = 4
    /// So often a part is slept anew. A machine that is late more often than that is not paused but overrun.
    static let pauses = 100

    /// Returns when it is used up.
    func pass() async throws {
        let timeline = Timeline(on: clock)
        var (due, left, pauses) = (Duration.zero, Self.parts, Self.pauses)
        while left > 0 {
            due += limit / Self.parts
            try await timeline.sleep(until: due)
            if timeline.elapsed - due > Limits.pauseNoticed, pauses > 0 {
                due = timeline.elapsed
                pauses -= 1
            } else {
                left -= 1
            }
        }
    }
}
