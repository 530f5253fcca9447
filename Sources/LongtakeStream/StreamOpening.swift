public import LongtakeCore
public import NIOCore

/// All that a stream needs to begin, worked out by the request that asked for it.
public struct StreamOpening: Sendable {
    public var job: JobID
    public var tenant: TenantName
    public var format: StreamFormat
    /// Whether signs of life are events that a page can see.
    public var heartbeatEvents: Bool
    /// What is written first, in one write: the hello, and whatever the request has read already.
    public var prelude: ByteBuffer
    /// The last event that the prelude holds or stands for.
    public var cursor: EventSequence
    /// Whether the body ends behind the prelude.
    public var isEnded: Bool
    /// The stream's place among those that may be open; `nil` where it ends at once.
    public var slot: StreamSlot?

    public init(
        job: JobID, tenant: TenantName, format: StreamFormat, heartbeatEvents: Bool, prelude: ByteBuffer,
        cursor: EventSequence, isEnded: Bool, slot: StreamSlot?
    ) {
        self.job = job
        self.tenant = tenant
        self.format = format
        self.heartbeatEvents = heartbeatEvents
        self.prelude = prelude
        self.cursor = cursor
        self.isEnded = isEnded
        self.slot = slot
    }
}

/// A place among the streams that may be open at once, given back when the last reference to it goes.
public final class StreamSlot: Sendable {
    private let giveBack: @Sendable () -> Void

    init(giveBack: @escaping @Sendable () -> Void) { self.giveBack = giveBack }

    deinit { giveBack() }
}
