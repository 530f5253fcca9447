public import LongtakeCore

/// The settings of the HTTP server.
public struct HTTPServerConfiguration: Sendable {
    public var addresses: [ListenAddress]
    /// A stream that has been silent for this long sends a heartbeat.
    public var heartbeat: Duration
    public var maxStreams: Int
    /// If the limit is reached, a new connection replaces an idle one. If none is idle, the new one
    /// closes.
    public var maxConnections: Int
    /// The number of workers of each queue, for `GET /v1/queues`.
    public var queues: [QueueName: Int]
    /// A stream that has run for this long ends, and its reader reconnects; `nil` for no limit.
    public var maxAge: Duration?
    public var access: AccessConfiguration
    public var accessLog: AccessLogMode
    /// The limit of streams per key. Tickets count for the key with which they were made.
    public var maxStreamsPerKey: Int
    /// Reads a monotonic clock.
    public var uptime: @Sendable () -> Duration
    /// The version that `/healthz` shows.
    public var version: String
    /// Draws 64 random bits for job ids and for the jitter of `retry:`.
    public var random: @Sendable () -> UInt64
    /// See ``StreamConfiguration/releaseMemory``.
    public var releaseMemory: @Sendable () -> Void
    /// The number of abandoned attempts since the start, for `GET /metrics`.
    public var abandonedAttempts: @Sendable () -> Int
    /// Reads the resources of the process at each `GET /metrics`.
    public var process: @Sendable () -> ProcessUsage
    /// Reads what files and commands use at each `GET /metrics`.
    public var fileUsage: @Sendable () -> FileUsage
    /// The number of log lines that the logger has dropped since the start, for `GET /metrics`.
    public var droppedLogLines: @Sendable () -> Int
    /// The bytes of files and artifacts. Without a store, uploads and downloads respond with 503.
    public var files: any FileStore
    public var uploadLimits: UploadLimits
    /// The disk of ``files``. The stages that store artifacts share it.
    public var space: SpaceGate
    /// Stops uploads and command stages while the disk is below its floor.
    public var disk: DiskGate
    /// Sentences that `/readyz` shows as long as the daemon runs.
    public var warnings: [String]
    /// The logs of stages. Without a reader, all logs are empty.
    public var stageLogs: any StageLogReading

    public init(
        addresses: [ListenAddress], heartbeat: Duration = .seconds(10), maxStreams: Int = 20_000,
        maxConnections: Int = 32_768,
        queues: [QueueName: Int] = [:], maxAge: Duration? = nil, access: AccessConfiguration = AccessConfiguration(),
        accessLog: AccessLogMode = .off,
        maxStreamsPerKey: Int = 1_000, version: String, uptime: @escaping @Sendable () -> Duration,
        random: @escaping @Sendable () -> UInt64,
        releaseMemory: @escaping @Sendable () -> Void = {},
        abandonedAttempts: @escaping @Sendable () -> Int = { 0 },
        process: @escaping @Sendable () -> ProcessUsage = { ProcessUsage() },
        fileUsage: @escaping @Sendable () -> FileUsage = { FileUsage() },
        droppedLogLines: @escaping @Sendable () -> Int = { 0 },
        files: (any FileStore)? = nil, uploadLimits: UploadLimits = UploadLimits(),
        space: SpaceGate? = nil, disk: DiskGate = .alwaysOpen, warnings: [String] = [],
        stageLogs: (any StageLogReading)? = nil
    ) {
        self.addresses = addresses
        self.heartbeat = heartbeat
        self.maxStreams = maxStreams
        self.maxConnections = maxConnections
        self.queues = queues
        self.maxAge = maxAge
        self.access = access
        self.accessLog = accessLog
        self.maxStreamsPerKey = maxStreamsPerKey
        self.uptime = uptime
        self.version = version
        self.random = random
        self.releaseMemory = releaseMemory
        self.abandonedAttempts = abandonedAttempts
        self.process = process
        self.fileUsage = fileUsage
        self.droppedLogLines = droppedLogLines
        let files = files ?? NoFileStore()
        self.files = files
        self.uploadLimits = uploadLimits
        self.space =
            space
            ?? SpaceGate(
                SpaceBudget(floor: 1 << 30, maximum: 0), free: { () throws(FileStoreError) in try files.freeBytes },
                used: { 0 })
        self.disk = disk
        self.warnings = warnings
        self.stageLogs = stageLogs ?? NoStageLogs()
    }
}
