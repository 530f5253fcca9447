public import LongtakeCore

/// The settings of the HTTP side.
public struct HTTPServerConfiguration: Sendable {
    public var addresses: [ListenAddress]
    /// A stream that wrote nothing for this long says that it is alive.
    public var heartbeat: Duration
    public var maxStreams: Int
    /// Above it a connection that waits for its next request is closed for a new one, or the new one where none waits.
    public var maxConnections: Int
    /// How many workers each queue has, for `GET /v1/queues`.
    public var queues: [QueueName: Int]
    /// After this long a stream is ended and its reader comes back; `nil` for never.
    public var maxAge: Duration?
    public var access: AccessConfiguration
    public var accessLog: AccessLogMode
    /// With the same key, or with tickets made with it.
    public var maxStreamsPerKey: Int
    /// A clock that only goes forward.
    public var uptime: @Sendable () -> Duration
    /// Shown by `/healthz`.
    public var version: String
    /// Draws 64 random bits: for job ids, and for the jitter of `retry:`.
    public var random: @Sendable () -> UInt64
    /// See ``StreamConfiguration/releaseMemory``.
    public var releaseMemory: @Sendable () -> Void
    /// How many attempts were abandoned since the start, for `GET /metrics`.
    public var abandonedAttempts: @Sendable () -> Int
    /// For `GET /metrics`; asked for at each scrape.
    public var process: @Sendable () -> ProcessUsage
    /// Lines of the log that were dropped since the start, for `GET /metrics`.
    public var droppedLogLines: @Sendable () -> Int

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
        droppedLogLines: @escaping @Sendable () -> Int = { 0 }
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
        self.droppedLogLines = droppedLogLines
    }
}
