public import NIOCore

/// The format of a stream.
public enum StreamFormat: Hashable, Sendable, CaseIterable {
    /// Server-Sent Events (WHATWG HTML §9.2) with `event:` lines.
    case events
    /// Server-Sent Events without `event:` lines, for clients that have only `onmessage`.
    case messages
    /// One JSON text per line (`application/x-ndjson`).
    case lines

    public var isServerSentEvents: Bool { self != .lines }
}

/// How a kind of connection delimits one write, such as a chunk of HTTP/1.1 or a message of a
/// WebSocket.
///
/// A framing is a type with static members only. So comparing two framings costs one comparison of
/// pointers, and the fan-out frames an event once for all streams with the same framing.
public protocol StreamFraming: Sendable {
    /// The largest number of bytes that the prefix and the suffix add.
    static var overhead: Int { get }
    /// Writes what comes before `count` bytes of content. There is no framing if there is no
    /// content.
    static func writePrefix(of count: Int, into buffer: inout ByteBuffer)
    /// Writes what comes after the content.
    static func writeSuffix(into buffer: inout ByteBuffer)
}

/// No framing: the connection carries only the content.
public enum Unframed: StreamFraming {
    public static var overhead: Int { 0 }

    public static func writePrefix(of count: Int, into buffer: inout ByteBuffer) {}
    public static func writeSuffix(into buffer: inout ByteBuffer) {}
}

/// The form in which one client gets events. Clients with equal forms get the same bytes.
struct WireForm: Equatable, Sendable {
    var format: StreamFormat
    /// Whether the ids are positions in the feed of all jobs.
    var isFeed: Bool
    var framing: any StreamFraming.Type

    static func == (left: Self, right: Self) -> Bool {
        left.format == right.format && left.isFeed == right.isFeed && left.framing == right.framing
    }

    /// Frames `count` bytes, which `body` writes.
    func framed(_ count: Int, _ body: (inout ByteBuffer) -> Void) -> ByteBuffer {
        var bytes = ByteBuffer()
        guard count > 0 else { return bytes }
        bytes.reserveCapacity(count + framing.overhead)
        framing.writePrefix(of: count, into: &bytes)
        body(&bytes)
        framing.writeSuffix(into: &bytes)
        return bytes
    }

    func framed(_ bytes: ByteBuffer) -> ByteBuffer {
        framed(bytes.readableBytes) { $0.writeImmutableBuffer(bytes) }
    }

    /// Frames `prelude` and the events after it together.
    func framed(_ frames: some Sequence<EventFrame>, after prelude: ByteBuffer = ByteBuffer()) -> ByteBuffer {
        framed(frames.reduce(prelude.readableBytes) { $0 + $1.byteCount(self) }) { bytes in
            bytes.writeImmutableBuffer(prelude)
            for frame in frames { frame.write(self, into: &bytes) }
        }
    }
}
