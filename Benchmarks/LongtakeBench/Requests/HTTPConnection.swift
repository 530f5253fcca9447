import Glibc
import LongtakeCore
import NIOCore
import NIOPosix

/// A persistent HTTP/1.1 connection.
final class HTTPConnection: Sendable {
    private let channel: any Channel
    private let handler: NIOLoopBound<ResponseHandler>

    private init(_ channel: any Channel, _ handler: NIOLoopBound<ResponseHandler>) {
        self.channel = channel
        self.handler = handler
    }

    static func open(port: Int, on loop: any EventLoop) async throws -> HTTPConnection {
        let handler = try await loop.submit { NIOLoopBound(ResponseHandler(), eventLoop: loop) }.get()
        let channel = try await ClientBootstrap(group: loop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connectTimeout(.seconds(30))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler.value) }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return HTTPConnection(channel, handler)
    }

    var loop: any EventLoop { channel.eventLoop }

    /// Sends a request. If it is called on the event loop, it sends the request at once.
    /// - Returns: the response. If it does not arrive within 30 s, the connection is closed.
    func send(_ request: ByteBuffer) -> EventLoopFuture<Response> {
        let responded = loop.makePromise(of: Response.self)
        let (channel, handler) = (channel, handler)
        loop.executeInPlace {
            handler.value.expect(responded, on: channel)
            channel.writeAndFlush(request).cascadeFailure(to: responded)
        }
        return responded.futureResult
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
    /// Runs `work` at once if it is called on the event loop.
    fileprivate func executeInPlace(_ work: @escaping @Sendable () -> Void) {
        if inEventLoop { work() } else { execute(work) }
    }
}

/// Completes the requests in the order in which they were sent.
private final class ResponseHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var waiting = CircularBuffer<(promise: EventLoopPromise<Response>, deadline: NIODeadline)>()
    private var parser = ResponseParser()
    private var hasTimer = false

    /// Adds a request that was sent after all waiting ones.
    func expect(_ promise: EventLoopPromise<Response>, on channel: any Channel) {
        waiting.append((promise, .now() + .seconds(30)))
        startTimer(channel)
    }

    /// Starts the timer of the first waiting request, if it does not run. One timer for each
    /// request would cost more than the request.
    private func startTimer(_ channel: any Channel) {
        guard !hasTimer, let first = waiting.first else { return }
        hasTimer = true
        let handler = NIOLoopBound(self, eventLoop: channel.eventLoop)
        channel.eventLoop.scheduleTask(deadline: first.deadline) {
            let handler = handler.value
            handler.hasTimer = false
            guard let first = handler.waiting.first, first.deadline <= .now() else {
                return handler.startTimer(channel)
            }
            channel.close(promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        parser.feed(&bytes)
        do {
            while let response = try parser.next() { waiting.popFirst()?.promise.succeed(response) }
        } catch {
            errorCaught(context: context, error: error)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        failAll(BenchFailure("the server closed a connection before it sent its response"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failAll(error)
        context.close(promise: nil)
    }

    private func failAll(_ error: any Error) {
        while let (promise, _) = waiting.popFirst() { promise.fail(error) }
    }
}

/// A response of a server, with its whole body.
struct Response: Sendable {
    let status: Int
    let body: ByteBuffer

    /// Decodes the JSON of the body.
    func document<Document: Decodable>(_ type: Document.Type) throws -> Document {
        try JSONText.decode(type, from: String(buffer: body))
    }
}

/// Parses the responses on a persistent connection (RFC 9112). Each must have a `Content-Length`,
/// as those of the measured servers do.
struct ResponseParser {
    private var bytes = ByteBuffer()

    mutating func feed(_ more: inout ByteBuffer) { bytes.writeBuffer(&more) }

    /// - Returns: the next response; `nil` if it is not complete yet.
    mutating func next() throws(BenchFailure) -> Response? {
        guard let head = try bytes.withUnsafeReadableBytes({ view throws(BenchFailure) in try ResponseHead(view) }),
            bytes.readableBytes >= head.bytes + head.bodyBytes
        else { return nil }
        bytes.moveReaderIndex(forwardBy: head.bytes)
        let body = bytes.readSlice(length: head.bodyBytes) ?? ByteBuffer()
        bytes.discardReadBytes()
        return Response(status: head.status, body: body)
    }
}

/// The parts of a response's head that the driver needs. It creates no strings, because the driver
/// shares the processors with the daemon.
struct ResponseHead: Sendable {
    /// The length of the head, with the empty line.
    let bytes: Int
    let status: Int
    /// The length of the body.
    let bodyBytes: Int

    /// `nil` if the head is not complete yet.
    init?(_ view: UnsafeRawBufferPointer) throws(BenchFailure) {
        guard let start = view.baseAddress else { return nil }
        let name = "content-length:"
        var (line, status, length): (Int, Int?, Int?) = (0, nil, nil)
        while let end = memchr(start + line, 0x0a, view.count - line).map({ start.distance(to: $0) }) {
            // The line without its CR LF.
            let count = end - 1 - line
            if line == 0 {
                // HTTP/1.1 201 Created
                guard count >= 12, memcmp(start, "HTTP/1.", 7) == 0 else {
                    throw BenchFailure("the response is not HTTP/1.x")
                }
                status = Self.number(view[9..<12])
            } else if count > name.utf8.count, strncasecmp(start + line, name, name.utf8.count) == 0 {
                length = Self.number(view[(line + name.utf8.count)..<(line + count)].drop { $0 == 0x20 })
            } else if count <= 0 {
                guard let status, let length else {
                    throw BenchFailure("the response has no valid status or Content-Length")
                }
                (self.status, bodyBytes, bytes) = (status, length, end + 1)
                return
            }
            line = end + 1
        }
        return nil
    }

    private static func number(_ digits: some Collection<UInt8>) -> Int? {
        guard (1...9).contains(digits.count) else { return nil }
        var number = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            number = number * 10 + Int(digit - 0x30)
        }
        return number
    }
}
