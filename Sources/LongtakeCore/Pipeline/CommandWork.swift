/// The process of a command stage. There is no shell.
public struct CommandWork: Hashable, Sendable, Codable {
    /// The program and its arguments.
    public let arguments: [CommandArgument]
    /// Whether the program speaks the stage protocol: it gets its document on standard input, and
    /// its lines on standard output are messages.
    public let usesProtocol: Bool
    /// Variables to set.
    public let environment: [String: String]
    /// Names of variables of the daemon to pass on.
    public let passEnvironment: [String]
    /// Directories that the program may read, besides those of the system.
    public let readPaths: [String]
    /// Directories that the program may write.
    public let writePaths: [String]
    /// How to find the progress in the output of a program that does not speak the protocol; `nil`
    /// for no progress.
    public let progress: OutputProgress?
    /// Files to register when the program has succeeded.
    public let artifacts: [DeclaredArtifact]
    /// How long the program may take to end after `SIGTERM`, in seconds.
    public let graceSeconds: Double
    /// The output of the stage if the program sends none.
    public let output: JSONValue?

    public init(
        arguments: [CommandArgument], usesProtocol: Bool = false, environment: [String: String] = [:],
        passEnvironment: [String] = [], readPaths: [String] = [], writePaths: [String] = [],
        progress: OutputProgress? = nil, artifacts: [DeclaredArtifact] = [],
        graceSeconds: Double = Limits.commandGraceSeconds, output: JSONValue? = nil
    ) {
        self.arguments = arguments
        self.usesProtocol = usesProtocol
        self.environment = environment
        self.passEnvironment = passEnvironment
        self.readPaths = readPaths
        self.writePaths = writePaths
        self.progress = progress
        self.artifacts = artifacts
        self.graceSeconds = graceSeconds
        self.output = output
    }

    enum CodingKeys: String, CodingKey {
        case arguments, environment, progress, artifacts, output
        case usesProtocol = "uses_protocol"
        case passEnvironment = "pass_environment"
        case readPaths = "read_paths"
        case writePaths = "write_paths"
        case graceSeconds = "grace_seconds"
    }
}

/// An argument of a command: texts, and placeholders for paths that are known when the stage
/// starts. Placeholders for values of the input were replaced at submission.
public struct CommandArgument: Hashable, Sendable, Codable {
    public let parts: [Part]

    /// A piece of an argument.
    public enum Part: Hashable, Sendable, Codable {
        case literal(String)
        /// The path of a file with the text of an input field: `{text.prompt}`.
        case text(field: String)
        /// The path of the file in an input field: `{file.image}`.
        case file(field: String)
        /// The path of an artifact of an earlier stage: `{artifact.frames.mkv}`. If the argument is
        /// only this and the artifact does not exist, the argument is removed.
        case artifact(ArtifactName)
    }

    public init(_ parts: [Part]) { self.parts = parts }

    /// An argument without placeholders.
    public init(_ text: String) { parts = [.literal(text)] }
}

/// How to find the progress of a program in its output.
public enum OutputProgress: Hashable, Sendable, Codable {
    /// The last percentage of a line, such as `42 %` or `42.5%`.
    case percent
    /// The blocks of ffmpeg's `-progress pipe:1`, measured against the length of the video.
    case ffmpeg(lengthSeconds: Double)
    /// A regular expression with the named groups `done` and `of`, or `percent`.
    case pattern(String)
}

/// A file in the working directory that becomes an artifact when the command has succeeded.
public struct DeclaredArtifact: Hashable, Sendable, Codable {
    /// The path below the working directory.
    public let path: String
    public let name: ArtifactName
    /// The media type.
    public let type: String
    public let role: Artifact.Role

    public init(path: String, name: ArtifactName, type: String, role: Artifact.Role = .result) {
        self.path = path
        self.name = name
        self.type = type
        self.role = role
    }
}

/// How often a stage is tried, and how long the daemon waits before the second attempt.
public struct RetryRule: Hashable, Sendable, Codable {
    /// 1 to ``Limits/maximumAttempts``.
    public let attempts: Int
    /// The delay before the second attempt, in seconds, at most
    /// ``Limits/maximumRetryDelaySeconds``. It doubles with each further attempt.
    public let delaySeconds: Double

    public init(attempts: Int = Limits.attempts, delaySeconds: Double = Limits.retryDelay / .seconds(1)) {
        self.attempts = attempts
        self.delaySeconds = delaySeconds
    }

    enum CodingKeys: String, CodingKey {
        case attempts
        case delaySeconds = "delay_seconds"
    }
}
