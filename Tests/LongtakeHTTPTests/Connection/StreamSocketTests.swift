import NIOCore
import NIOEmbedded
import Testing

@testable import LongtakeHTTP

@Suite("writing a stream to its socket")
struct StreamSocketTests {
    // Fails if the rest is written as a whole: then progress is visible only when all of it is
    // sent.
    @Test("queues pending bytes in pieces of 4 KiB, and reports each piece that the kernel takes")
    func pieces() throws {
        let channel = EmbeddedChannel()
        let handler = PassThrough()
        try channel.pipeline.syncOperations.addHandler(handler)
        let socket = StreamSocket(channel)
        let bytes = ByteBuffer(repeating: 7, count: 10_000)
        #expect(socket.send(bytes) == 0, "an embedded channel has no socket")
        let taken = Counter()
        let context = try channel.pipeline.syncOperations.context(handler: handler)
        let pieces = socket.queue(bytes, on: context) { taken.value += 1 }
        #expect(pieces == 3)
        var sizes: [Int] = []
        while let piece = try channel.readOutbound(as: ByteBuffer.self) { sizes.append(piece.readableBytes) }
        #expect(sizes == [4_096, 4_096, 1_808])
        #expect(taken.value == 3)
        #expect(socket.isIdle)
        _ = try channel.finish()
    }

    private final class PassThrough: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
    }

    private final class Counter {
        var value = 0
    }
}
