/// A configured stage, before it is planned for the input of a job.
public struct StageDefinition: Hashable, Sendable {
    public let name: StageName
    public let queue: QueueName
    /// The expected duration for the default input at speed 1.
    public let seconds: Double
    /// Names of input fields. ``seconds`` is multiplied by the ratio of each value to its default.
    public let scalesWith: [String]
    /// The output of the stage. A string that is exactly `$field` is replaced by the value of that
    /// input field. The output that a command sends itself replaces it.
    public let output: JSONValue?
    public let timeLimitSeconds: Double?
    /// `nil` for the default rule.
    public let retry: RetryRule?
    public internal(set) var work: Work

    /// How the stage is done.
    public enum Work: Hashable, Sendable {
        case simulated(SimulatedDefinition)
        case command(CommandDefinition)
    }
}

extension StageDefinition: Decodable {
    enum CodingKeys: String, CodingKey, CaseIterable {
        case name, queue, seconds, output, retry
        case scalesWith = "scales_with"
        case timeLimitSeconds = "time_limit_seconds"
        // Of simulated stages.
        case steps, message
        // Of commands.
        case command, environment, progress, artifacts
        case usesProtocol = "protocol"
        case passEnvironment = "pass_environment"
        case readPaths = "read_paths"
        case writePaths = "write_paths"
        case lengthSeconds = "length_seconds"
        case graceSeconds = "grace_seconds"
        // Of remote stages.
        case remote
    }

    /// Keys that only commands have.
    private static let commandKeys: [CodingKeys] = [
        .usesProtocol, .environment, .passEnvironment, .readPaths, .writePaths, .progress, .lengthSeconds, .artifacts,
        .graceSeconds,
    ]

    public init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(otherThan: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(StageName.self, forKey: .name)
        queue = try container.decode(QueueName.self, forKey: .queue)
        seconds = try container.decode(Double.self, forKey: .seconds)
        scalesWith = try container.decodeIfPresent([String].self, forKey: .scalesWith) ?? []
        output = try container.decodeIfPresent(JSONValue.self, forKey: .output)
        timeLimitSeconds = try container.decodeIfPresent(Double.self, forKey: .timeLimitSeconds)
        retry = try container.decodeIfPresent(RetryDefinition.self, forKey: .retry)?.rule
        guard seconds > 0, seconds <= Limits.maximumTimeLimitSeconds else {
            throw container.error(.seconds, "must be above 0 and at most \(Int(Limits.maximumTimeLimitSeconds))")
        }
        if let timeLimitSeconds, !(1...Limits.maximumTimeLimitSeconds).contains(timeLimitSeconds) {
            throw container.error(.timeLimitSeconds, "must be between 1 and \(Int(Limits.maximumTimeLimitSeconds))")
        }
        work = try Self.work(container)
    }

    /// Decodes the work, and refuses keys of another kind of stage.
    private static func work(_ container: KeyedDecodingContainer<CodingKeys>) throws -> Work {
        if container.contains(.remote) {
            throw container.error(.remote, "remote stages come with a later version; use steps or command")
        }
        guard container.contains(.command) else {
            guard container.contains(.steps) else {
                throw container.error(.steps, "is missing; a stage has either steps (simulated) or a command")
            }
            if let key = commandKeys.first(where: container.contains) {
                throw container.error(key, "belongs to a stage with a command; this stage is simulated (steps)")
            }
            return .simulated(try SimulatedDefinition(container))
        }
        if let key = [CodingKeys.steps, .message].first(where: container.contains) {
            throw container.error(key, "belongs to a simulated stage; this stage has a command")
        }
        return .command(try CommandDefinition(container))
    }
}

/// The rule for retries, as it is configured. Absent members have their defaults.
private struct RetryDefinition: Decodable {
    let rule: RetryRule

    enum CodingKeys: String, CodingKey, CaseIterable {
        case attempts
        case delaySeconds = "delay_seconds"
    }

    init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(otherThan: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let usual = RetryRule()
        let attempts = try container.decodeIfPresent(Int.self, forKey: .attempts) ?? usual.attempts
        let delay = try container.decodeIfPresent(Double.self, forKey: .delaySeconds) ?? usual.delaySeconds
        guard (1...Limits.maximumAttempts).contains(attempts) else {
            throw container.error(.attempts, "must be between 1 and \(Limits.maximumAttempts)")
        }
        guard (0...Limits.maximumRetryDelaySeconds).contains(delay) else {
            throw container.error(.delaySeconds, "must be between 0 and \(Int(Limits.maximumRetryDelaySeconds))")
        }
        rule = RetryRule(attempts: attempts, delaySeconds: delay)
    }
}

extension KeyedDecodingContainer {
    /// An error at a key, for the person who wrote the file.
    func error(_ key: Key, _ reason: String) -> DecodingError {
        .dataCorrupted(.init(codingPath: codingPath + [key], debugDescription: reason))
    }
}
