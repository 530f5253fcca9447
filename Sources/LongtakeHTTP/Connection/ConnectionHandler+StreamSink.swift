import LongtakeStream
import NIOCore

/// The connection as the sink of a stream.
extension ConnectionHandler: StreamSink {
    var isChunked: Bool { !isHTTP10 }

    // Where nothing waits in the channel, there is no need to ask it.
    var hasRoom: Bool { socket?.isIdle == true || channel.isWritable }

    func send(_ bytes: ByteBuffer) -> Int {
        guard let socket else { return 0 }
        if let record { record.bytes += bytes.readableBytes }
        let taken = socket.send(bytes)
        // Nothing else is touched on the way that nearly all take: thousands of connections do not fit the processor's cache.
        if taken > 0, taken == bytes.readableBytes { return 0 }
        guard let stream, let below = watch?.context else { return 0 }
        // Below the encoder, since the bytes are framed already.
        var rest = bytes
        rest.moveReaderIndex(forwardBy: taken)
        return socket.queue(rest, on: below) { stream.kernelTook() }
    }

    func finish(_ close: StreamClose) {
        let isIdle = socket?.isIdle ?? true
        (stream, socket) = (nil, nil)
        // Where bytes still wait for the kernel, the connection ends with them, by a deadline.
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
