public import LongtakeCore

/// What an operator sets of the engine.
public struct EngineConfiguration: Sendable {
    /// How many stages run at once on each queue, 1 to ``Limits/workersPerQueue``. A queue that is not named here has no workers: what is
    /// submitted to it waits.
    public var workers: [QueueName: Int]
    /// Multiplies simulated time where a job does not say otherwise. Bounds: ``Limits/simulationSpeed``.
    public var speed: Double
    /// The least time between two reports of one stage, the last excepted.
    public var reportInterval: Duration
    /// How long a runner that was told to stop may take to end, before its attempt is abandoned and its worker is free.
    public var stopGrace: Duration
    /// Draws the jitter of retries.
    public var randomness: any RandomNumberGenerator & Sendable

    public init(
        workers: [QueueName: Int] = Self.defaultWorkers, speed: Double = 1,
        reportInterval: Duration = Limits.reportInterval, stopGrace: Duration = Limits.runnerStopGrace,
        randomness: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        self.workers = workers
        self.speed = speed
        self.reportInterval = reportInterval
        self.stopGrace = stopGrace
        self.randomness = randomness
    }

    /// The queues of the built-in pipelines.
    public static let defaultWorkers: [QueueName: Int] = [
        QueueName(unchecked: "cpu"): 4, QueueName(unchecked: "gpu"): 2, QueueName(unchecked: "io"): 8,
    ]
}
