public import NIOCore

/// The connection under a stream. All calls are made on its event loop.
public protocol StreamSink: AnyObject {
    /// How the connection delimits each write. It does not change.
    var framing: any StreamFraming.Type { get }
    /// Whether the connection takes more without piling it up.
    var hasRoom: Bool { get }
    /// Sends bytes that are already in its ``framing``, behind all that was sent before; with none, sends what has gathered.
    /// - Returns: 0 where the kernel has taken them all. Otherwise in how many small pieces the rest waits for it: for each,
    ///   ``StreamSubscriber/kernelTook()`` is called once it has it, or the connection is gone. The connection may be found gone within the
    ///   call, and ``StreamSubscriber/connectionClosed()`` be called before it returns.
    func send(_ bytes: ByteBuffer) -> Int
    /// Ends the body cleanly.
    func finish(_ close: StreamClose)
    /// Closes the connection in the middle of the body, so that the reader sees a cut and comes back.
    func abort(_ close: StreamClose)
}

/// How a kind of connection delimits one write, such as a chunk of HTTP/1.1 or a message of a WebSocket.
///
/// The sink names a type that has only static members. So two streams can compare their framings without
/// a call, and the fan-out frames an event once for all streams with the same framing.
public protocol StreamFraming: Sendable {
    /// The largest number of bytes that the prefix and the suffix add.
    static var overhead: Int { get }
    /// Writes what comes before `count` bytes of content. Nothing is framed if there is no content.
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
