import LongtakeCore

/// Limits how long an attempt may take, not counting time in which the machine or the process was
/// paused.
///
/// When a paused machine or process resumes, all its deadlines have passed. So the limit is divided
/// into parts. If a part ends more than ``Limits/pauseThreshold`` late, the process was paused, and
/// the part starts again. A pause costs no job an attempt. It makes the limit longer by at most one
/// part.
struct TimeLimit: Sendable {
    let limit: Duration
    let clock: any Clock<Duration>

    static let parts = 4
    /// How often a part may start again. A machine that is late more often is overloaded, not
    /// paused.
    static let maxPauses = 100

    /// Returns when the limit is reached.
    /// - Throws: `CancellationError` if the task is cancelled.
    func wait() async throws {
        let timeline = Timeline(on: clock)
        var (due, left, pauses) = (Duration.zero, Self.parts, Self.maxPauses)
        while left > 0 {
            due += limit / Self.parts
            try await timeline.sleep(until: due)
            if timeline.elapsed - due > Limits.pauseThreshold, pauses > 0 {
                due = timeline.elapsed
                pauses -= 1
            } else {
                left -= 1
            }
        }
    }
}

extension Claim {
    /// The time limit of this attempt: the one in the pipeline, or else a multiple of the expected
    /// time at the speed in force.
    func timeLimit(atSpeed speed: Double) -> Duration {
        let expected = stage.expectedSeconds / (simulation?.speed ?? speed)
        let usual = max(EngineLimits.minimumTimeLimitSeconds, EngineLimits.timeLimitFactor * expected)
        let seconds = stage.timeLimitSeconds ?? usual
        return .seconds(min(seconds, Limits.maximumTimeLimitSeconds))
    }
}
