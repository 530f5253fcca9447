/// The stages of one job, planned for its input when it is submitted and stored with it. Later
/// changes of the configuration do not affect it.
public struct Pipeline: Hashable, Sendable, Codable {
    public let name: PipelineName
    /// 1 to ``Limits/stagesPerPipeline`` stages with different names.
    public let stages: [Stage]

    public init(name: PipelineName, stages: [Stage]) {
        self.name = name
        self.stages = stages
    }
}

/// One stage of the pipeline of a job.
public struct Stage: Hashable, Sendable, Codable {
    public let name: StageName
    public let queue: QueueName
    /// The expected duration at speed 1, in seconds; above 0. It is the weight of the stage in the
    /// progress of the job.
    public let expectedSeconds: Double
    /// The time limit of an attempt, in seconds of real time; `nil` if the engine computes it from
    /// the expected duration.
    public let timeLimitSeconds: Double?
    public let work: Work
    /// How often the stage is tried; `nil` for ``RetryRule/init(attempts:delaySeconds:)`` with its
    /// defaults.
    public let retry: RetryRule?

    public init(
        name: StageName, queue: QueueName, expectedSeconds: Double, timeLimitSeconds: Double?, work: Work,
        retry: RetryRule? = nil
    ) {
        self.name = name
        self.queue = queue
        self.expectedSeconds = expectedSeconds
        self.timeLimitSeconds = timeLimitSeconds
        self.work = work
        self.retry = retry
    }

    enum CodingKeys: String, CodingKey {
        case name, queue, work, retry
        case expectedSeconds = "expected_seconds"
        case timeLimitSeconds = "time_limit_seconds"
    }

    /// The time limit of an attempt that is not simulated, in seconds of real time: the configured
    /// one, or else ``Limits/timeLimitFactor`` times the expected duration and at least
    /// ``Limits/minimumWorkTimeLimitSeconds``.
    public var workTimeLimitSeconds: Double {
        let usual = max(Limits.minimumWorkTimeLimitSeconds, Limits.timeLimitFactor * expectedSeconds)
        return min(timeLimitSeconds ?? usual, Limits.maximumTimeLimitSeconds)
    }

    /// The work of the stage. The engine chooses the runner by its kind.
    public enum Work: Hashable, Sendable, Codable {
        /// The daemon simulates the work.
        case simulated(SimulatedWork)
        /// The daemon starts a process.
        case command(CommandWork)
        /// A worker in another process claims the stage and knows the work.
        case remote

        /// How the work is done, without its details.
        public enum Kind: String, Hashable, Sendable, CaseIterable {
            case simulated, command, remote
        }

        public var kind: Kind {
            switch self {
            case .simulated: .simulated
            case .command: .command
            case .remote: .remote
            }
        }
    }
}

/// The work of a simulated stage.
public struct SimulatedWork: Hashable, Sendable, Codable {
    /// The number of steps, 1 to ``Limits/simulatedSteps``. All have the same expected duration,
    /// and a report follows each one.
    public let steps: Int
    /// The message of each report, with the placeholders `{step}`, `{steps}`, `{percent}`,
    /// `{clock}` and `{length}`.
    public let message: String
    /// The length of the simulated video in seconds, which is the last value of `{clock}`.
    public let lengthSeconds: Double
    /// The output of the stage.
    public let output: JSONValue?

    public init(steps: Int, message: String, lengthSeconds: Double, output: JSONValue?) {
        self.steps = steps
        self.message = message
        self.lengthSeconds = lengthSeconds
        self.output = output
    }

    enum CodingKeys: String, CodingKey {
        case steps, message, output
        case lengthSeconds = "length_seconds"
    }
}
