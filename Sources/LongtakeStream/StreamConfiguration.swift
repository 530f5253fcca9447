public import LongtakeAPI
public import LongtakeCore

/// The settings of all streams.
public struct StreamConfiguration: Sendable {
    /// The time without a write after which a stream sends a heartbeat.
    public var heartbeat: Duration
    /// The largest number of open streams.
    public var maxStreams: Int
    /// The largest number of open streams of one account.
    public var maxStreamsPerOwner: Int
    /// Whether the owner may have an open stream. The hub asks when a stream starts and in
    /// ``StreamHub/endUnauthorizedStreams()``.
    public var isAuthorized: @Sendable (StreamOwner) -> Bool
    /// The age at which a stream ends so that its client reconnects; `nil` for no limit. Each
    /// stream varies it by up to a tenth.
    public var maxAge: Duration?
    /// The links in job documents.
    public var links: APILinks
    /// Says what the job of a snapshot waits for.
    public var disk: DiskGate
    /// Draws 64 random bits, for the jitter of `retry:` and of ages.
    public var random: @Sendable () -> UInt64
    /// Returns free memory to the system. The hub calls it when a burst of opened and closed
    /// streams is over. It must not block.
    public var releaseMemory: @Sendable () -> Void
    /// Bounds that a simulation makes small, so that its runs exceed them.
    package var bounds = Bounds()

    package struct Bounds: Sendable {
        package var mailboxBytes = StreamLimits.mailboxBytes
        package var ringBytes = StreamLimits.ringBytes
        package var readsAtOnce = StreamLimits.streamReadsAtOnce
        package var requestsWaiting = StreamLimits.requestsWaiting

        package init() {}
    }

    public init(
        heartbeat: Duration, maxStreams: Int, maxStreamsPerOwner: Int = .max,
        isAuthorized: @escaping @Sendable (StreamOwner) -> Bool = { _ in true }, maxAge: Duration?,
        links: APILinks = APILinks(), disk: DiskGate = .alwaysOpen, random: @escaping @Sendable () -> UInt64,
        releaseMemory: @escaping @Sendable () -> Void = {}
    ) {
        self.heartbeat = heartbeat
        self.maxStreams = maxStreams
        self.maxStreamsPerOwner = maxStreamsPerOwner
        self.isAuthorized = isAuthorized
        self.maxAge = maxAge
        self.links = links
        self.disk = disk
        self.random = random
        self.releaseMemory = releaseMemory
    }

    /// Draws a value from `range`. Each client gets its own, so that clients that were disconnected
    /// together do not reconnect together.
    package func draw(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(random() % UInt64(range.count))
    }
}
