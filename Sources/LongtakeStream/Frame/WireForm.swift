import NIOCore

/// How bytes go to one reader: the format, whose ids the events bear, and whether the body is cut into chunks (RFC 9112 §7.1).
struct WireForm: Hashable, Sendable {
    var format: StreamFormat
    /// Whether the ids are positions in the feed of all jobs.
    var isFeed: Bool
    /// `false` for a client of HTTP/1.0, to which the end of the body is the end of the connection.
    var isChunked: Bool

    /// One chunk of `count` bytes, which `body` writes.
    func framed(_ count: Int, _ body: (inout ByteBuffer) -> Void) -> ByteBuffer {
        var bytes = ByteBuffer()
        // The length as hexadecimal digits and two line ends.
        bytes.reserveCapacity(count + 20)
        if isChunked && count > 0 { bytes.writeString(String(count, radix: 16) + "\r\n") }
        body(&bytes)
        if isChunked && count > 0 { bytes.writeStaticString("\r\n") }
        return bytes
    }

    /// `bytes` as one chunk.
    func framed(_ bytes: ByteBuffer) -> ByteBuffer {
        framed(bytes.readableBytes) { $0.writeImmutableBuffer(bytes) }
    }

    /// `frames` behind `head`, all as one chunk.
    func framed(_ frames: some Sequence<EventFrame>, behind head: ByteBuffer = ByteBuffer()) -> ByteBuffer {
        framed(frames.reduce(head.readableBytes) { $0 + $1.byteCount(self) }) { bytes in
            bytes.writeImmutableBuffer(head)
            for frame in frames { frame.write(self, into: &bytes) }
        }
    }
}
