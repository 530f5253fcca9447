public import LongtakeAPI
public import LongtakeCore
public import NIOCore

/// Everything that a stream needs to start. The request that asked for the stream prepares it.
public struct StreamOpening: Sendable {
    public var source: StreamSource
    public var tenant: TenantName
    public var format: StreamFormat
    /// Whether heartbeats are events, which a web page can see.
    public var heartbeatEvents: Bool
    /// The time without a write after which the stream sends a heartbeat; `nil` for
    /// ``StreamConfiguration/heartbeat``.
    public var heartbeat: Duration?
    /// Whether the stream of a job also sends `job.estimate`.
    public var estimates: Bool
    /// What the stream writes first, such as `stream.hello`.
    public var prelude: ByteBuffer
    /// The events that the request has already read. The stream sends them in one write with the
    /// prelude.
    public var events: [EventFrame]
    /// The epoch of the cursor; `nil` if the stream has no event log or ends at once.
    public var epoch: Epoch?
    /// The last event that the prelude and the events contain or replace.
    public var cursor: LogOffset
    /// In the feed: the offset of the last id that the client got; `nil` if that is the cursor.
    public var lastSentID: LogOffset?
    /// In the feed: the newest position that was already pruned, so that the stream detects later
    /// pruning.
    public var prunedThrough: EventPosition
    /// The test events that the stream sends instead of an event log.
    public var diagnostics: DiagnosticsPlan?
    /// The log of a stage that the stream sends instead of an event log.
    public var stageLog: StageLogPlan?
    /// Whether the body ends after the events.
    public var isEnded: Bool
    /// The reason that the prelude gives for the end; `nil` if the body continues or ends with the
    /// final event.
    public var end: StreamEnd?
    /// `nil` if the stream ends at once.
    public var slot: StreamSlot?

    public init(
        source: StreamSource, tenant: TenantName, format: StreamFormat, heartbeatEvents: Bool = false,
        heartbeat: Duration? = nil, estimates: Bool = false,
        prelude: ByteBuffer = ByteBuffer(), events: [EventFrame] = [], epoch: Epoch?, cursor: LogOffset,
        lastSentID: LogOffset? = nil,
        prunedThrough: EventPosition = .beforeFirst, isEnded: Bool = false, end: StreamEnd? = nil,
        slot: StreamSlot?
    ) {
        self.source = source
        self.tenant = tenant
        self.format = format
        self.heartbeatEvents = heartbeatEvents
        self.heartbeat = heartbeat
        self.estimates = estimates
        self.prelude = prelude
        self.events = events
        self.epoch = epoch
        self.cursor = cursor
        self.lastSentID = lastSentID
        self.prunedThrough = prunedThrough
        self.isEnded = isEnded
        self.end = end
        self.slot = slot
    }
}

/// What a stream sends.
public enum StreamSource: Hashable, Sendable {
    /// The event log of one job.
    case job(JobID)
    /// The events of all jobs that match a filter.
    case feed(FeedFilter)
    /// The log of a stage, which is no event log.
    case stageLog
    /// Test events, which are in no event log.
    case diagnostics

    var log: LogKey {
        switch self {
        case .job(let job): .job(job)
        case .feed: .feed
        case .stageLog, .diagnostics: .nothing
        }
    }

    var isFeed: Bool { log == .feed }
}
