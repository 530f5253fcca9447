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
    /// time. The speed in force applies to simulated work only.
    func timeLimit(atSpeed speed: Double) -> Duration {
        guard case .simulated = stage.work else { return .seconds(stage.workTimeLimitSeconds) }
        let expected = stage.expectedSeconds / (simulation?.speed ?? speed)
        let usual = max(EngineLimits.minimumTimeLimitSeconds, Limits.timeLimitFactor * expected)
        let seconds = stage.timeLimitSeconds ?? usual
        return .seconds(min(seconds, Limits.maximumTimeLimitSeconds))
    }

    /// How long the runner may take to end after it was asked to stop.
    /// - Parameter usual: the grace period of work that sets none of its own.
    func stopGrace(usual: Duration) -> Duration {
        guard case .command(let work) = stage.work else { return usual }
        return .seconds(work.graceSeconds) + EngineLimits.commandStopMargin
    }
}
