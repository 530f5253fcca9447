/// How the simulated stages of a job run: faster or slower, and with failures, for tests and
/// demonstrations.
public struct Simulation: Hashable, Sendable, Codable {
    /// The factor by which the stages run faster, in ``Limits/simulationSpeed``; `nil` for the
    /// setting `simulation.speed`.
    public var speed: Double?
    /// The stage that fails.
    public var failStage: StageName?
    /// The number of its attempts that fail, 0 to 100.
    public var failTimes: Int
    /// The progress at which the stage fails, 0 to 1.
    public var failAt: Double
    /// Whether the failure is permanent, so that no retry follows.
    public var fatal: Bool

    public init(
        speed: Double? = nil, failStage: StageName? = nil, failTimes: Int = 1, failAt: Double = 0.5, fatal: Bool = false
    ) {
        self.speed = speed
        self.failStage = failStage
        self.failTimes = failTimes
        self.failAt = failAt
        self.fatal = fatal
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case speed, fatal
        case failStage = "fail_stage"
        case failTimes = "fail_times"
        case failAt = "fail_at"
    }
}
