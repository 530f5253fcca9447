public import LongtakeCore
import NIOCore

/// The bytes of an event for all clients, encoded once: the parts of one Server-Sent Events block
/// in one immutable array.
///
/// ```text
/// id: 7f3a09c2-18\n | event: stage.progress\n | data: | {"id":…}\n | \n
/// ```
/// Every ``WireForm`` consists of slices of it. In the feed, the feed's own id replaces the first
/// part.
public struct EventFrame: Sendable {
    let id: EventID
    let job: JobID
    let tenant: TenantName
    let pipeline: PipelineName
    let type: EventType
    let position: EventPosition
    /// The position of the previous event of the feed, as far as the publisher knows.
    let previous: EventPosition
    /// Not a `ByteBuffer`, which rounds its memory up to a power of two. Thousands of frames are
    /// kept.
    private let bytes: [UInt8]
    private let idEnd: Int32
    private let dataStart: Int32
    private let jsonStart: Int32

    /// - Parameter previous: the previous event of the feed. Frames of a page do not need it.
    public init(_ event: CommittedEvent, after previous: EventPosition = .beforeFirst) {
        id = event.id
        job = event.job
        tenant = event.tenant
        pipeline = event.pipeline
        type = event.type
        position = event.position
        self.previous = previous
        let typeText = event.type.rawValue
        var bytes: [UInt8] = []
        let digits = event.id.sequence.rawValue.digitCount
        bytes.reserveCapacity(30 + digits + typeText.utf8.count + event.jsonByteCount)
        bytes.append("id: " as StaticString)
        bytes.append(event.id)
        bytes.append("\n" as StaticString)
        idEnd = Int32(bytes.count)
        bytes.append("event: " as StaticString)
        bytes.append(typeText)
        bytes.append("\n" as StaticString)
        dataStart = Int32(bytes.count)
        bytes.append("data: " as StaticString)
        jsonStart = Int32(bytes.count)
        event.writeJSON(into: &bytes)
        bytes.append("\n\n" as StaticString)
        self.bytes = bytes
    }

    var sequence: EventSequence { id.sequence }
    var isFinal: Bool { type.isFinal }

    /// Its memory.
    var memoryBytes: Int { bytes.capacity + 48 + MemoryLayout<EventFrame>.stride }

    /// The size of the whole block.
    var byteCount: Int { bytes.count }

    /// The size in one form, without framing.
    func byteCount(_ form: WireForm) -> Int {
        switch form.format {
        case .events: bytes.count + (form.isFeed ? feedID.utf8.count - Int(idEnd) : 0)
        case .messages:
            bytes.count - Int(dataStart - idEnd) + (form.isFeed ? feedID.utf8.count - Int(idEnd) : 0)
        case .lines: bytes.count - Int(jsonStart) - 1
        }
    }

    /// Appends the event in one form, without framing.
    func write(_ form: WireForm, into buffer: inout ByteBuffer) {
        switch form.format {
        case .events where !form.isFeed:
            buffer.writeBytes(bytes)
        case .events:
            buffer.writeString(feedID)
            buffer.writeBytes(bytes[Int(idEnd)...])
        case .messages:
            if form.isFeed {
                buffer.writeString(feedID)
            } else {
                buffer.writeBytes(bytes[..<Int(idEnd)])
            }
            buffer.writeBytes(bytes[Int(dataStart)...])
        case .lines:
            buffer.writeBytes(bytes[Int(jsonStart)...].dropLast())
        }
    }

    private var feedID: String { "id: \(FeedID(epoch: id.epoch, position: position))\n" }
}
