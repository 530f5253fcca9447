public import LongtakeCore
public import NIOCore

/// An event as every reader's bytes, encoded once: the parts of one Server-Sent Events block in one immutable buffer.
///
/// ```text
/// id: 7f3a09c2-18\n | event: stage.progress\n | data: | {"id":…}\n | \n
/// ```
/// Each ``StreamFormat`` is one or two slices of it, so serving another format costs no second encoding.
public struct EventFrame: Sendable {
    public let job: JobID
    public let sequence: EventSequence
    public let isFinal: Bool
    private let buffer: ByteBuffer
    private let idEnd: Int
    private let dataStart: Int
    private let jsonStart: Int

    public init(_ event: CommittedEvent) {
        job = event.job
        sequence = event.sequence
        isFinal = event.type.isFinal
        var buffer = ByteBuffer()
        buffer.reserveCapacity(event.payload.utf8.count + 256)
        buffer.writeString("id: \(event.id)\n")
        idEnd = buffer.writerIndex
        buffer.writeString("event: \(event.type.rawValue)\n")
        dataStart = buffer.writerIndex
        buffer.writeString("data: ")
        jsonStart = buffer.writerIndex
        buffer.writeString(event.json)
        buffer.writeString("\n\n")
        self.buffer = buffer
    }

    /// The bytes of this event in one format. Only `format=message` copies, since it leaves out a line in the middle.
    public func bytes(_ format: StreamFormat) -> ByteBuffer {
        switch format {
        case .events:
            return buffer
        case .messages:
            var block = slice(0, idEnd)
            var rest = slice(dataStart, buffer.writerIndex)
            block.writeBuffer(&rest)
            return block
        case .lines:
            return slice(jsonStart, buffer.writerIndex - 1)
        }
    }

    /// The size of the whole block.
    var byteCount: Int { buffer.readableBytes }

    private func slice(_ start: Int, _ end: Int) -> ByteBuffer {
        var slice = buffer
        slice.moveReaderIndex(to: start)
        slice.moveWriterIndex(to: end)
        return slice
    }
}
