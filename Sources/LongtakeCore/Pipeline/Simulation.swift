/// How a job wants its simulated stages to run: faster, or failing, for tests and demonstrations.
public struct Simulation: Hashable, Sendable, Codable {
    /// Multiplies time; takes the place of the daemon's `simulation.speed`. Bounds: ``Limits/simulationSpeed``.
    public var speed: Double?
    /// The stage that fails.
    public var failStage: StageName?
    /// How many attempts of it fail, 0 to 100.
    public var failTimes: Int
    /// How far the stage gets before it fails, 0 to 1.
    public var failAt: Double
    /// Whether the failure is one that no retry can mend.
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
