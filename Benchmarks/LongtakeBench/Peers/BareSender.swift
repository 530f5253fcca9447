import Glibc
import NIOCore
import NIOPosix

/// Accepts connections, answers each with a fixed head, and writes the same chunk to all of them at a steady rate.
struct BareSender: Sendable {
    let rate: Double
    let sample: SampleEvent

    /// Serves until the process that started this one is gone, however that ended.
    func serve(ready: (_ port: Int) -> Void) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let loops = group.makeIterator().map { $0 }
        var registers: [ObjectIdentifier: NIOLoopBound<Register>] = [:]
        for loop in loops {
            registers[ObjectIdentifier(loop)] = try await loop.submit { NIOLoopBound(Register(), eventLoop: loop) }
                .get()
        }
        let server = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4_096)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_sndbuf), value: 128 * 1024)
            .childChannelInitializer { [registers] channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let register = registers[ObjectIdentifier(channel.eventLoop)] else { return }
                    try channel.pipeline.syncOperations.addHandler(BareConnection(register.value))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        ready(server.localAddress?.port ?? 0)
        var (sequence, due) = (UInt64(0), ContinuousClock.now)
        let parent = getppid()
        while getppid() == parent {
            sequence += 1
            let chunk = self.chunk(sequence)
            for loop in loops {
                guard let register = registers[ObjectIdentifier(loop)] else { continue }
                loop.execute { register.value.write(chunk) }
            }
            due += .seconds(1 / rate)
            try await Task.sleep(until: due, clock: .continuous)
        }
    }

    private func chunk(_ sequence: UInt64) -> ByteBuffer {
        let block = sample.block(sequence, at: WallTime.microseconds())
        return ByteBuffer(string: "\(String(block.utf8.count, radix: 16))\r\n\(block)\r\n")
    }
}

/// The connections of one event loop.
private final class Register {
    private var channels: [ObjectIdentifier: any Channel] = [:]

    func add(_ channel: any Channel) { channels[ObjectIdentifier(channel)] = channel }
    func remove(_ channel: any Channel) { channels[ObjectIdentifier(channel)] = nil }

    func write(_ chunk: ByteBuffer) {
        for channel in channels.values {
            channel.write(chunk, promise: nil)
            channel.flush()
        }
    }
}

/// Answers the first bytes of a request with the head of a stream.
private final class BareConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let register: Register
    private var isAnswered = false

    init(_ register: Register) { self.register = register }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isAnswered else { return }
        isAnswered = true
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n: hi\n\n\r\n"
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: head)), promise: nil)
        register.add(context.channel)
    }

    func channelInactive(context: ChannelHandlerContext) { register.remove(context.channel) }
}
