/// The settings of the runner of commands.
public struct CommandConfiguration: Sendable {
    /// The directory of the working directories. The runner makes it.
    public var directory: String
    public var limits: CommandLimits
    /// The environment of the daemon, of which programs get only a part.
    public var environment: [String: String]
    /// Whether programs are confined. If the kernel cannot do that, their stages fail.
    public var isConfined: Bool
    /// Whether a working directory stays after its attempt, for a person who wants to look at it.
    public var keepsDirectories: Bool

    public init(
        directory: String, limits: CommandLimits = CommandLimits(), environment: [String: String],
        isConfined: Bool = true, keepsDirectories: Bool = false
    ) {
        self.directory = directory
        self.limits = limits
        self.environment = environment
        self.isConfined = isConfined
        self.keepsDirectories = keepsDirectories
    }
}

/// Limits of command stages.
public struct CommandLimits: Hashable, Sendable {
    /// The bytes of the working directory of one stage, and of each file in it.
    public var stageDiskBytes: Int64
    /// The bytes of the artifacts of one job.
    public var artifactBytesPerJob: Int64
    /// How much output of one program is read in a second. The pipe holds the program back.
    public var outputBytesPerSecond: Int

    public init(
        stageDiskBytes: Int64 = 20_000_000_000, artifactBytesPerJob: Int64 = 20_000_000_000,
        outputBytesPerSecond: Int = 4 * 1024 * 1024
    ) {
        self.stageDiskBytes = stageDiskBytes
        self.artifactBytesPerJob = artifactBytesPerJob
        self.outputBytesPerSecond = outputBytesPerSecond
    }
}
