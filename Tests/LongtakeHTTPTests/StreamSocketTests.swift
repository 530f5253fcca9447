import NIOCore
import NIOEmbedded
import Testing

@testable import LongtakeHTTP

@Suite("the way of a stream's bytes to the kernel")
struct StreamSocketTests {
    // Seen to fail with the rest written whole: one write, and the reader seen to take something only when it had taken all.
    @Test("what waits for the kernel goes in pieces of 4 KiB, and each that is taken is told")
    func pieces() throws {
        let channel = EmbeddedChannel()
        let handler = Passing()
        try channel.pipeline.syncOperations.addHandler(handler)
        let socket = StreamSocket(channel)
        let bytes = ByteBuffer(repeating: 7, count: 10_000)
        #expect(socket.send(bytes) == 0, "there is no kernel here")
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

    private final class Passing: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
    }

    private final class Counter {
        var value = 0
    }
}
