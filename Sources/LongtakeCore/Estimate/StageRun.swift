/// A finished run of a stage that the history may count.
public struct StageRun: Hashable, Sendable {
    public let pipeline: PipelineName
    public let stage: StageName
    public let queue: QueueName
    /// ``Stage/expectedSeconds`` of the job's own plan.
    public let expectedSeconds: Double
    /// From the claim to the end, on the steady clock.
    public let seconds: Double
    /// `nil` for later stages than the first, and if the wait is not known: the daemon restarted,
    /// or the queue was paused meanwhile.
    public let wait: Wait?

    /// How long the stage waited for its claim, in turns (``QueueHistory``).
    public struct Wait: Hashable, Sendable {
        /// The turns before it when it became ready.
        public let expectedTurns: Int
        /// The turns that it waited for.
        public let turns: Int

        public init(expectedTurns: Int, turns: Int) {
            self.expectedTurns = max(0, expectedTurns)
            self.turns = max(0, turns)
        }
    }

    /// What happened to a run besides its duration.
    public struct Circumstances: Hashable, Sendable {
        /// 1 for the first attempt.
        public var attempt: Int
        /// Whether the attempt was interrupted and resumed.
        public var isResumed: Bool
        /// Whether the result of another job was used instead of work.
        public var isReused: Bool
        /// Whether the job has a speed of its own (``Simulation/speed``).
        public var isSpedUp: Bool

        public init(attempt: Int = 1, isResumed: Bool = false, isReused: Bool = false, isSpedUp: Bool = false) {
            self.attempt = attempt
            self.isResumed = isResumed
            self.isReused = isReused
            self.isSpedUp = isSpedUp
        }

        /// Whether the run says how long a stage normally takes. A run after a failed attempt does:
        /// it began anew, and its own claim is measured. The failed attempt itself never ends with
        /// success, so nobody counts it.
        public var isTypical: Bool { !isResumed && !isReused && !isSpedUp }
    }

    /// - Returns: `nil` if the run must be left out, or the durations are not above 0.
    public init?(
        of stage: Stage, in pipeline: PipelineName, seconds: Double, wait: Wait?, _ circumstances: Circumstances
    ) {
        guard circumstances.isTypical, seconds.isFinite, seconds > 0, stage.expectedSeconds > 0 else { return nil }
        self.pipeline = pipeline
        self.stage = stage.name
        queue = stage.queue
        expectedSeconds = stage.expectedSeconds
        self.seconds = seconds
        // The wait of a further attempt contains its delay.
        self.wait = circumstances.attempt == 1 ? wait : nil
    }
}
