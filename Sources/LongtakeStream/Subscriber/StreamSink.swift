public import LongtakeAPI
public import NIOCore

/// The connection under a stream. All calls are made on its event loop.
public protocol StreamSink: AnyObject {
    /// How the connection delimits each write. It does not change.
    var framing: any StreamFraming.Type { get }
    /// Whether the connection can take more bytes without buffering them.
    var isWritable: Bool { get }
    /// Writes bytes, which already have the ``framing``, after everything that was written before.
    /// If there are none, flushes what is buffered.
    /// - Returns: 0 if the kernel has taken all bytes. Otherwise the number of pieces that wait for
    ///   the kernel. For each piece, the sink calls ``StreamSubscriber/pieceWritten()`` when the
    ///   kernel has taken it or the connection has closed. If the sink finds the connection closed,
    ///   it calls ``StreamSubscriber/connectionClosed()`` before it returns.
    func send(_ bytes: ByteBuffer) -> Int
    /// Ends the body cleanly.
    func finish(_ close: StreamClose)
    /// Closes the connection in the middle of the body, so that the client sees an error and
    /// reconnects.
    func abort(_ close: StreamClose)
}

/// How a stream ended, for the access log.
public enum StreamClose: Hashable, Sendable {
    /// With the final event of the job.
    case final
    /// With a `stream.end` that gives this reason.
    case announced(StreamEnd)
    /// With the last test event of a diagnostics stream, or with the stage whose log it sent.
    case complete
    /// The client read nothing for too long, and the daemon closed the connection.
    case slow
    /// Events that the client had not read were removed, and the daemon closed the connection. The
    /// client gets the reason when it reconnects.
    case removed
    /// The event log could not be read, and the daemon closed the connection.
    case unreadable
    /// The client disconnected.
    case client

    /// A stable word for programs.
    public var name: String {
        switch self {
        case .final: "final"
        case .announced(let reason): reason.rawValue
        case .complete: "complete"
        case .slow: "slow"
        case .removed: "removed"
        case .unreadable: "unreadable"
        case .client: "client"
        }
    }
}
