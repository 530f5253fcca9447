import ArgumentParser
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

/// A child of this binary that does nothing but write to sockets, with the library that the daemon uses: what no server of that kind
/// can go below.
struct BareSenderPeer: FanoutSource {
    let port: Int
    let meter: ProcessMeter
    private let process: ChildProcess
    private let scratch: ScratchDirectory

    var plan: WatchPlan { WatchPlan(job: 0, path: "/") }

    static func start(rate: Double, messageBytes: Int, in directory: String) async throws -> BareSenderPeer {
        let scratch = try ScratchDirectory(in: directory)
        let process = try ChildProcess(
            DaemonOptions.ownBinary, ["bare-sender", "--rate", "\(rate)", "--message-bytes", "\(messageBytes)"],
            log: scratch.path + "/log")
        let port = try await process.awaitOutput(within: 10) { output in
            output.split(separator: "\n").first { $0.hasPrefix("ready ") }.flatMap { Int($0.dropFirst(6)) }
        }
        return BareSenderPeer(
            port: port, meter: ProcessMeter(processes: [process.id]), process: process, scratch: scratch)
    }

    func begin(for group: WatcherGroup) async throws {}

    func stop() async throws {
        try await process.stop()
        scratch.remove()
    }
}

/// `longtake-bench bare-sender`, which `fanout --peer nio` starts.
struct BareSenderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bare-sender", abstract: "Writes sample events to whoever connects.", shouldDisplay: false)

    @Option(help: "Events a second.")
    var rate: Double
    @Option(help: "Bytes of each event's message.")
    var messageBytes: Int

    func validate() throws {
        guard rate > 0, rate.isFinite else { throw ValidationError("--rate is above 0") }
    }

    func run() async throws {
        try await BareSender(rate: rate, sample: SampleEvent(messageBytes: messageBytes)).serve { port in
            _ = "ready \(port)\n".withCString { write(STDOUT_FILENO, $0, strlen($0)) }
        }
    }
}
