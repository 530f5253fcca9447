import NIOCore

/// The form in which one client gets events: the format, the kind of ids, and the framing of its connection.
struct WireForm: Equatable, Sendable {
    var format: StreamFormat
    /// Whether the ids are positions in the feed of all jobs.
    var isFeed: Bool
    var framing: any StreamFraming.Type

    static func == (left: Self, right: Self) -> Bool {
        left.format == right.format && left.isFeed == right.isFeed && left.framing == right.framing
    }

    /// One write of `count` bytes, which `body` writes.
    func framed(_ count: Int, _ body: (inout ByteBuffer) -> Void) -> ByteBuffer {
        var bytes = ByteBuffer()
        guard count > 0 else { return bytes }
        bytes.reserveCapacity(count + framing.overhead)
        framing.writePrefix(of: count, into: &bytes)
        body(&bytes)
        framing.writeSuffix(into: &bytes)
        return bytes
    }

    /// `bytes` as one write.
    func framed(_ bytes: ByteBuffer) -> ByteBuffer {
        framed(bytes.readableBytes) { $0.writeImmutableBuffer(bytes) }
    }

    /// `frames` behind `head`, all as one write.
    func framed(_ frames: some Sequence<EventFrame>, behind head: ByteBuffer = ByteBuffer()) -> ByteBuffer {
        framed(frames.reduce(head.readableBytes) { $0 + $1.byteCount(self) }) { bytes in
            bytes.writeImmutableBuffer(head)
            for frame in frames { frame.write(self, into: &bytes) }
        }
    }
}
