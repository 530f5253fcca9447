public import LongtakeCore
import NIOCore

/// An event as every reader's bytes, encoded once: the parts of one Server-Sent Events block in one immutable buffer.
///
/// ```text
/// id: 7f3a09c2-18\n | event: stage.progress\n | data: | {"id":…}\n | \n
/// ```
/// Every ``WireForm`` is slices of it, with the feed's own id in front where it is the feed.
public struct EventFrame: Sendable {
    let id: EventID
    let job: JobID
    let tenant: TenantName
    let pipeline: PipelineName
    let type: EventType
    let position: EventPosition
    /// The position of the event before this one in the feed, as far as the publisher knows.
    let previous: EventPosition
    private let buffer: ByteBuffer
    private let idEnd: Int32
    private let dataStart: Int32
    private let jsonStart: Int32

    /// - Parameter previous: the event before it in the feed; not needed for one that was read from the log.
    public init(_ event: CommittedEvent, behind previous: EventPosition = .beforeFirst) {
        id = event.id
        job = event.job
        tenant = event.tenant
        pipeline = event.pipeline
        type = event.type
        position = event.position
        self.previous = previous
        var buffer = ByteBuffer()
        buffer.reserveCapacity(event.payload.utf8.count + 224)
        buffer.writeStaticString("id: ")
        buffer.writeString(event.id.description)
        buffer.writeStaticString("\nevent: ")
        idEnd = Int32(buffer.writerIndex - 7)
        buffer.writeString(event.type.rawValue)
        buffer.writeStaticString("\ndata: ")
        dataStart = Int32(buffer.writerIndex - 6)
        jsonStart = Int32(buffer.writerIndex)
        buffer.writeString(event.json)
        buffer.writeStaticString("\n\n")
        self.buffer = buffer
    }

    var sequence: EventSequence { id.sequence }
    var isFinal: Bool { type.isFinal }

    /// What it takes in memory.
    var memoryBytes: Int { buffer.readableBytes + 256 }

    /// The size of the whole block.
    var byteCount: Int { buffer.readableBytes }

    /// The size in one form, without a chunk's frame.
    func byteCount(_ form: WireForm) -> Int {
        switch form.format {
        case .events: buffer.readableBytes + (form.isFeed ? feedID.utf8.count - Int(idEnd) : 0)
        case .messages:
            buffer.readableBytes - Int(dataStart - idEnd) + (form.isFeed ? feedID.utf8.count - Int(idEnd) : 0)
        case .lines: buffer.readableBytes - Int(jsonStart) - 1
        }
    }

    /// Appends the event in one form, without a chunk's frame.
    func write(_ form: WireForm, into bytes: inout ByteBuffer) {
        switch form.format {
        case .events where !form.isFeed:
            bytes.writeImmutableBuffer(buffer)
        case .events:
            bytes.writeString(feedID)
            write(idEnd, to: Int32(buffer.writerIndex), into: &bytes)
        case .messages:
            if form.isFeed {
                bytes.writeString(feedID)
            } else {
                write(0, to: idEnd, into: &bytes)
            }
            write(dataStart, to: Int32(buffer.writerIndex), into: &bytes)
        case .lines:
            write(jsonStart, to: Int32(buffer.writerIndex - 1), into: &bytes)
        }
    }

    private var feedID: String { "id: \(FeedID(epoch: id.epoch, position: position))\n" }

    private func write(_ start: Int32, to end: Int32, into bytes: inout ByteBuffer) {
        buffer.withUnsafeReadableBytes { all in
            _ = bytes.writeBytes(UnsafeRawBufferPointer(rebasing: all[Int(start)..<Int(end)]))
        }
    }
}
