import NIOCore
import NIOPosix

/// A kept HTTP/1.1 connection on which one request follows the other.
final class RequestConnection: Sendable {
    private let channel: any Channel
    private let handler: NIOLoopBound<AnswerHandler>

    private init(_ channel: any Channel, _ handler: NIOLoopBound<AnswerHandler>) {
        self.channel = channel
        self.handler = handler
    }

    static func open(port: Int, on loop: any EventLoop) async throws -> RequestConnection {
        let handler = try await loop.submit { NIOLoopBound(AnswerHandler(), eventLoop: loop) }.get()
        let channel = try await ClientBootstrap(group: loop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connectTimeout(.seconds(30))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler.value) }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return RequestConnection(channel, handler)
    }

    var loop: any EventLoop { channel.eventLoop }

    /// Sends a request, at once when called on the loop. Its answer is the next in order; after 30 s without it the connection is closed.
    func send(_ request: ByteBuffer) -> EventLoopFuture<Answer> {
        let answered = loop.makePromise(of: Answer.self)
        let (channel, handler) = (channel, handler)
        loop.execute(ifNotOnIt: {
            handler.value.waiting.append(answered)
            channel.writeAndFlush(request).cascadeFailure(to: answered)
        })
        let expiry = loop.scheduleTask(in: .seconds(30)) { channel.close(promise: nil) }
        answered.futureResult.whenComplete { _ in expiry.cancel() }
        return answered.futureResult
    }

    func close() async throws { try await channel.close().get() }

    static func post(_ path: String, _ body: String, fields: String = "") -> ByteBuffer {
        ByteBuffer(
            string: "POST \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\(fields)"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    static func get(_ path: String) -> ByteBuffer {
        ByteBuffer(string: "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n")
    }
}

extension EventLoop {
    fileprivate func execute(ifNotOnIt work: @escaping @Sendable () -> Void) {
        if inEventLoop { work() } else { execute(work) }
    }
}

/// Gives each answer to the request that waits longest.
private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    var waiting = CircularBuffer<EventLoopPromise<Answer>>()
    private var scanner = AnswerScanner()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        scanner.feed(&bytes)
        do {
            while let answer = try scanner.next() { waiting.popFirst()?.succeed(answer) }
        } catch {
            errorCaught(context: context, error: error)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        failAll(BenchFailure("the server closed a connection before it answered"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failAll(error)
        context.close(promise: nil)
    }

    private func failAll(_ error: any Error) {
        while let promise = waiting.popFirst() { promise.fail(error) }
    }
}
