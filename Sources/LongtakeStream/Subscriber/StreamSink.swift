public import NIOCore

/// The connection under a stream. All calls are made on its event loop.
public protocol StreamSink: AnyObject {
    /// Whether the body is sent in chunks.
    var isChunked: Bool { get }
    /// Whether the connection takes more without piling it up.
    var hasRoom: Bool { get }
    /// Sends bytes of the body as they are, behind all that was sent before; with none, sends what has gathered.
    /// - Returns: 0 where the kernel has taken them all. Otherwise in how many small pieces the rest waits for it: for each,
    ///   ``StreamSubscriber/kernelTook()`` is called once it has it, or the connection is gone. The connection may be found gone within the
    ///   call, and ``StreamSubscriber/connectionClosed()`` be called before it returns.
    func send(_ bytes: ByteBuffer) -> Int
    /// Ends the body cleanly.
    func finish(_ close: StreamClose)
    /// Closes the connection in the middle of the body, so that the reader sees a cut and comes back.
    func abort(_ close: StreamClose)
}
