import LongtakeCore

extension Claim {
    /// What this attempt may take: as its pipeline says, or a multiple of the expected time at the speed in force.
    func timeLimit(atSpeed speed: Double) -> Duration {
        let expected = stage.expectedSeconds / (simulation?.speed ?? speed)
        let seconds = stage.timeLimitSeconds ?? max(Limits.timeLimitLeastSeconds, Limits.timeLimitFactor * expected)
        return .seconds(min(seconds, Limits.timeLimitMostSeconds))
    }
}
