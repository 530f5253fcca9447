import ArgumentParser
import Glibc
import NIOCore
import NIOPosix

/// The simplest possible server on SwiftNIO: it accepts connections, responds to each with a fixed
/// head, and writes the same chunk to all of them at a fixed rate.
private struct BareSender: Sendable {
    let rate: Double
    let sample: SampleEvent

    /// Serves until the parent process has exited, for whatever reason.
    func serve(ready: (_ port: Int) -> Void) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let loops = group.makeIterator().map { $0 }
        var connectionsByLoop: [ObjectIdentifier: NIOLoopBound<OpenConnections>] = [:]
        for loop in loops {
            connectionsByLoop[ObjectIdentifier(loop)] = try await loop.submit {
                NIOLoopBound(OpenConnections(), eventLoop: loop)
            }.get()
        }
        let server = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4_096)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.socketOption(.so_sndbuf), value: 128 * 1024)
            .childChannelInitializer { [connectionsByLoop] channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let connections = connectionsByLoop[ObjectIdentifier(channel.eventLoop)] else { return }
                    try channel.pipeline.syncOperations.addHandler(StreamResponder(connections.value))
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
                guard let connections = connectionsByLoop[ObjectIdentifier(loop)] else { continue }
                loop.execute { connections.value.write(chunk) }
            }
            due += .seconds(1 / rate)
            // The length of this sleep is the rate. Delays do not add up.
            try await Task.sleep(until: due, clock: .continuous)
        }
    }

    private func chunk(_ sequence: UInt64) -> ByteBuffer {
        let block = sample.block(sequence, at: WallTime.microseconds())
        return ByteBuffer(string: "\(String(block.utf8.count, radix: 16))\r\n\(block)\r\n")
    }
}

/// The open connections of one event loop.
private final class OpenConnections {
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

/// Responds to the first bytes of a request with the head of an event stream.
private final class StreamResponder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let connections: OpenConnections
    private var hasResponded = false

    init(_ connections: OpenConnections) { self.connections = connections }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasResponded else { return }
        hasResponded = true
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n: hi\n\n\r\n"
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: head)), promise: nil)
        connections.add(context.channel)
    }

    func channelInactive(context: ChannelHandlerContext) { connections.remove(context.channel) }
}

/// A ``BareSender`` in a child process. It only writes to sockets, with the library that the daemon
/// uses. No server on this library can cost less.
struct BareSenderProcess: FanoutServer {
    let port: Int
    let meter: ProcessMeter
    private let process: ChildProcess

    var request: StreamRequest { StreamRequest(job: 0, path: "/") }

    static func start(rate: Double, messageBytes: Int) async throws -> BareSenderProcess {
        let process = try ChildProcess(
            DaemonOptions.ownBinary, ["bare-sender", "--rate", "\(rate)", "--message-bytes", "\(messageBytes)"])
        let port = try await process.awaitOutput(within: 10) { output in
            output.split(separator: "\n").first { $0.hasPrefix("ready ") }.flatMap { Int($0.dropFirst(6)) }
        }
        return BareSenderProcess(port: port, meter: ProcessMeter(processes: [process.id]), process: process)
    }

    func begin(for group: WatcherGroup) async throws {}

    func stop() async throws { try await process.stop() }
}

/// `longtake-bench bare-sender`, the program that `fanout --peer nio` starts.
struct BareSenderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bare-sender", abstract: "Sends sample events to every connection.", shouldDisplay: false)

    @Option(help: "Events per second.")
    var rate: Double
    @Option(help: "The bytes of each event's message.")
    var messageBytes: Int

    func validate() throws {
        guard rate > 0, rate.isFinite else { throw ValidationError("--rate must be above 0") }
    }

    func run() async throws {
        try await BareSender(rate: rate, sample: SampleEvent(messageBytes: messageBytes)).serve { port in
            _ = "ready \(port)\n".withCString { write(STDOUT_FILENO, $0, strlen($0)) }
        }
    }
}
