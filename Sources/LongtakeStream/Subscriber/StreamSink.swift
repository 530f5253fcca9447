public import NIOCore

/// The connection under a stream. All calls are made on its event loop.
public protocol StreamSink: AnyObject {
    /// Whether the connection takes more without piling it up.
    var hasRoom: Bool { get }
    /// Queues bytes of the body; `written` is completed when the kernel has taken them, or the connection is gone.
    func write(_ bytes: ByteBuffer, written: EventLoopPromise<Void>)
    func flush()
    /// Ends the body cleanly.
    func finish()
    /// Closes the connection in the middle of the body, so that the reader sees a cut and comes back.
    func abort()
}
