import Hummingbird
import LongtakeStream
import NIOCore
import NIOHTTP1

/// The connection while its response is a stream.
extension ConnectionHandler: StreamSink {
    func begin(_ opening: StreamOpening, _ response: Response) {
        if isHTTP10 { _ = state.drain() }
        let action = state.beganStreaming()
        // The stream keeps its deadlines in the timing wheel of its event loop.
        cancelDeadline()
        let (socket, stream) = (
            StreamSocket(channel), service.hub.makeStream(opening, on: channel.eventLoop, sink: self)
        )
        (self.socket, self.stream) = (socket, stream)
        write(.head(head(response, length: nil)), promise: socket.promise())
        stream.start(opening)
        // If the stream has ended already, the connection may be at its next request.
        guard self.stream != nil else { return }
        isBare = true
        removal = HTTPHandlers.remove(from: channel)
        byteHandler?.continueReading()
        perform(action)
    }

    /// A client of HTTP/1.0 knows no chunks. The end of its connection is the end of the body.
    var framing: any StreamFraming.Type { isHTTP10 ? Unframed.self : HTTPChunk.self }

    // If no write is pending in the channel, the channel is writable.
    var isWritable: Bool { socket?.isIdle == true || channel.isWritable }

    func send(_ bytes: ByteBuffer) -> Int {
        guard let socket else { return 0 }
        if let record { record.bytes += bytes.readableBytes }
        let taken = socket.send(bytes)
        // This is the path of nearly all writes. It touches as little memory as possible, because
        // thousands of connections do not fit into the processor's cache.
        if taken > 0, taken == bytes.readableBytes { return 0 }
        guard let stream, let context = byteHandler?.context else { return 0 }
        // Below the encoder, because the bytes already contain the chunk framing.
        var rest = bytes
        rest.moveReaderIndex(forwardBy: taken)
        return socket.queue(rest, on: context) { stream.pieceWritten() }
    }

    func finish(_ close: StreamClose) {
        let isIdle = socket?.isIdle ?? true
        (stream, socket) = (nil, nil)
        // If bytes are still pending, the connection closes after them, with a deadline.
        if !isIdle { _ = state.drain() }
        endResponse(close)
    }

    func abort(_ close: StreamClose) {
        writeRecord(close)
        socket?.resetAtClose()
        (stream, socket) = (nil, nil)
        context?.close(promise: nil)
    }
}

/// A chunk of a chunked body (RFC 9112 §7.1).
enum HTTPChunk: StreamFraming {
    /// The length in hexadecimal digits and two line ends.
    static var overhead: Int { 20 }

    /// Ends the body.
    static let last: StaticString = "0\r\n\r\n"

    static func writePrefix(of count: Int, into buffer: inout ByteBuffer) {
        buffer.writeString(String(count, radix: 16) + "\r\n")
    }

    static func writeSuffix(into buffer: inout ByteBuffer) { buffer.writeStaticString("\r\n") }
}
