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
            handler.value.expect(answered, on: channel)
            channel.writeAndFlush(request).cascadeFailure(to: answered)
        })
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

    private var waiting = CircularBuffer<(promise: EventLoopPromise<Answer>, deadline: NIODeadline)>()
    private var scanner = AnswerScanner()
    private var isWatched = false

    /// The answer that comes behind all that is waited for.
    func expect(_ promise: EventLoopPromise<Answer>, on channel: any Channel) {
        waiting.append((promise, .now() + .seconds(30)))
        watch(channel)
    }

    /// One timer, set anew when it rings, and not one for each request: those would cost more than the requests.
    private func watch(_ channel: any Channel) {
        guard !isWatched, let first = waiting.first else { return }
        isWatched = true
        let handler = NIOLoopBound(self, eventLoop: channel.eventLoop)
        channel.eventLoop.scheduleTask(deadline: first.deadline) {
            let handler = handler.value
            handler.isWatched = false
            guard let first = handler.waiting.first, first.deadline <= .now() else { return handler.watch(channel) }
            channel.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        scanner.feed(&bytes)
        do {
            while let answer = try scanner.next() { waiting.popFirst()?.promise.succeed(answer) }
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
        while let (promise, _) = waiting.popFirst() { promise.fail(error) }
    }
}
