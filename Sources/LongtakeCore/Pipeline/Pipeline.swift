/// The stages that one job goes through, worked out for its input when it is submitted and kept with it.
///
/// A later change of the configuration does not touch it.
public struct Pipeline: Hashable, Sendable, Codable {
    public let name: PipelineName
    /// At least one, at most ``Limits/stagesPerPipeline``, with different names.
    public let stages: [Stage]

    public init(name: PipelineName, stages: [Stage]) {
        self.name = name
        self.stages = stages
    }
}

/// One step of a job's pipeline.
public struct Stage: Hashable, Sendable, Codable {
    public let name: StageName
    public let queue: QueueName
    /// How long it is expected to take at speed 1, in seconds; above 0. Weighs the stage in the job's progress.
    public let expectedSeconds: Double
    /// What an attempt may take in seconds of real time; `nil` for the default of ``Limits``.
    public let timeLimitSeconds: Double?
    public let work: Work

    public init(name: StageName, queue: QueueName, expectedSeconds: Double, timeLimitSeconds: Double?, work: Work) {
        self.name = name
        self.queue = queue
        self.expectedSeconds = expectedSeconds
        self.timeLimitSeconds = timeLimitSeconds
        self.work = work
    }

    enum CodingKeys: String, CodingKey {
        case name, queue, work
        case expectedSeconds = "expected_seconds"
        case timeLimitSeconds = "time_limit_seconds"
    }

    /// What is to be done. A runner is looked up by the kind.
    public enum Work: Hashable, Sendable, Codable {
        /// The daemon pretends to work.
        case simulated(SimulatedWork)
        /// The daemon starts a process.
        case command(CommandWork)
        /// A worker elsewhere claims the stage and knows what to do.
        case remote

        /// How the work is done, without what it is.
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

/// The process of a stage. No configuration makes one yet.
public struct CommandWork: Hashable, Sendable, Codable {
    /// The program, then its arguments. No shell reads them.
    public let arguments: [String]

    public init(arguments: [String]) { self.arguments = arguments }
}

/// What the simulation of a stage goes through.
public struct SimulatedWork: Hashable, Sendable, Codable {
    /// Steps of equal expected time, each followed by a report; 1 to ``Limits/simulatedSteps``.
    public let steps: Int
    /// The message of each report, with `{step}`, `{steps}`, `{percent}`, `{clock}` and `{length}` filled in.
    public let message: String
    /// How long the work's result plays, in seconds: what `{clock}` runs up to.
    public let lengthSeconds: Double
    /// What the stage gives back.
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
