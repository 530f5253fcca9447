public import LongtakeAPI
import LongtakeCore

/// The settings of all streams.
public struct StreamConfiguration: Sendable {
    /// A stream that wrote nothing for this long says that it is alive.
    public var heartbeat: Duration
    /// How many streams there may be at once.
    public var maxStreams: Int
    /// How many of them one account may have.
    public var maxStreamsPerOwner: Int
    /// Whether a stream of that owner may be open; asked when it begins, and at ``StreamHub/endStreamsOfOthers()``.
    public var isLetIn: @Sendable (StreamOwner) -> Bool
    /// After this long, varied by up to a tenth, a stream is ended and its reader comes back; `nil` for never.
    public var maxAge: Duration?
    /// The links in job documents.
    public var links: APILinks
    /// Draws 64 random bits: for the jitter of `retry:` and of ages.
    public var random: @Sendable () -> UInt64

    /// Gives memory that is free but held back to the system; called when a great coming and going of streams is over. Must not block.
    public var releaseMemory: @Sendable () -> Void
    /// Bounds that a simulation makes small, so that it gets to see what happens beyond them.
    package var bounds = Bounds()

    package struct Bounds: Sendable {
        package var mailboxBytes = Limits.mailboxBytes
        package var ringBytes = Limits.ringBytes
        package var readsAtOnce = Limits.streamReadsAtOnce
        package var requestsWaiting = Limits.requestsWaiting

        package init() {}
    }

    public init(
        heartbeat: Duration, maxStreams: Int, maxStreamsPerOwner: Int = .max,
        isLetIn: @escaping @Sendable (StreamOwner) -> Bool = { _ in true }, maxAge: Duration?,
        links: APILinks = APILinks(), random: @escaping @Sendable () -> UInt64,
        releaseMemory: @escaping @Sendable () -> Void = {}
    ) {
        self.heartbeat = heartbeat
        self.maxStreams = maxStreams
        self.maxStreamsPerOwner = maxStreamsPerOwner
        self.isLetIn = isLetIn
        self.maxAge = maxAge
        self.links = links
        self.random = random
        self.releaseMemory = releaseMemory
    }

    /// A value of `range` for each reader, so that readers who left together do not return together.
    package func draw(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(random() % UInt64(range.count))
    }
}
