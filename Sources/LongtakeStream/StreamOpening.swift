public import LongtakeAPI
public import LongtakeCore
public import NIOCore

/// All that a stream needs to begin, worked out by the request that asked for it.
public struct StreamOpening: Sendable {
    public var source: StreamSource
    public var tenant: TenantName
    public var format: StreamFormat
    /// Whether signs of life are events that a page can see.
    public var heartbeatEvents: Bool
    /// A stream that wrote nothing for this long says that it is alive; `nil` for ``StreamConfiguration/heartbeat``.
    public var heartbeat: Duration?
    /// What is written first: the hello, or what stands in its place.
    public var prelude: ByteBuffer
    /// What the request has read already; written with the prelude, in one write.
    public var events: [EventFrame]
    /// The epoch of the cursor; `nil` if the stream has no log or ends at once.
    public var epoch: Epoch?
    /// The last event that the prelude and the events hold or stand for.
    public var cursor: LogPlace
    /// In the feed: the place of the last id that the reader is told; `nil` where that is the cursor.
    public var told: LogPlace?
    /// In the feed: the newest position that pruning had removed by then, so that what it removes later is noticed.
    public var prunedThrough: EventPosition
    /// The test events that are told in place of a log.
    public var diagnostics: DiagnosticsPlan?
    /// Whether the body ends behind them.
    public var isEnded: Bool
    /// The reason that the prelude gives for the end; `nil` if the body does not end there, or ends with the final event.
    public var end: StreamEnd?
    /// The stream's place among those that may be open; `nil` where it ends at once.
    public var slot: StreamSlot?

    public init(
        source: StreamSource, tenant: TenantName, format: StreamFormat, heartbeatEvents: Bool = false,
        heartbeat: Duration? = nil,
        prelude: ByteBuffer = ByteBuffer(), events: [EventFrame] = [], epoch: Epoch?, cursor: LogPlace, told: LogPlace? = nil,
        prunedThrough: EventPosition = .beforeFirst, isEnded: Bool = false, end: StreamEnd? = nil,
        slot: StreamSlot?
    ) {
        self.source = source
        self.tenant = tenant
        self.format = format
        self.heartbeatEvents = heartbeatEvents
        self.heartbeat = heartbeat
        self.prelude = prelude
        self.events = events
        self.epoch = epoch
        self.cursor = cursor
        self.told = told
        self.prunedThrough = prunedThrough
        self.isEnded = isEnded
        self.end = end
        self.slot = slot
    }
}

/// What a stream reads.
public enum StreamSource: Hashable, Sendable {
    /// One job's log.
    case job(JobID)
    /// The events of all jobs that a filter lets through.
    case feed(FeedFilter)
    /// No log: it tells test events of its own.
    case diagnostics

    var log: LogKey {
        switch self {
        case .job(let job): .job(job)
        case .feed: .feed
        case .diagnostics: .nothing
        }
    }

    var isFeed: Bool { log == .feed }
}

/// A place among the streams that may be open at once, or the requests that may wait, given back when the last reference to it goes.
public final class StreamSlot: Sendable {
    let owner: StreamOwner
    private let giveBack: @Sendable () -> Void

    init(owner: StreamOwner, giveBack: @escaping @Sendable () -> Void) {
        self.owner = owner
        self.giveBack = giveBack
    }

    deinit { giveBack() }
}
