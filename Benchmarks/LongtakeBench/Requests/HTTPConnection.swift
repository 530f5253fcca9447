import Glibc
import LongtakeCore
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

/// An answer of a server, with its whole body.
struct Answer: Sendable {
    let status: Int
    let body: ByteBuffer

    var json: JSONValue {
        get throws { try document(JSONValue.self) }
    }

    /// Decodes the body.
    func document<Document: Decodable>(_ type: Document.Type) throws -> Document {
        try JSONText.decode(type, from: String(buffer: body))
    }
}

/// Takes answers from the bytes of a kept connection (RFC 9112), as far as our servers send them: with a `Content-Length`.
struct AnswerScanner {
    private var bytes = ByteBuffer()

    mutating func feed(_ more: inout ByteBuffer) { bytes.writeBuffer(&more) }

    /// - Returns: the next whole answer; `nil` where it is not there yet.
    mutating func next() throws(BenchFailure) -> Answer? {
        guard let head = try bytes.withUnsafeReadableBytes({ view throws(BenchFailure) in try AnswerHead(view) }),
            bytes.readableBytes >= head.bytes + head.length
        else { return nil }
        bytes.moveReaderIndex(forwardBy: head.bytes)
        let body = bytes.readSlice(length: head.length) ?? ByteBuffer()
        bytes.discardReadBytes()
        return Answer(status: head.status, body: body)
    }
}

/// What is needed of an answer's head, without a text of any of it: the driver shares its processors with what it measures.
private struct AnswerHead {
    /// How long the head is, with the empty line.
    let bytes: Int
    let status: Int
    /// How long the body is.
    let length: Int

    /// `nil` where the head is not whole yet.
    init?(_ view: UnsafeRawBufferPointer) throws(BenchFailure) {
        guard let start = view.baseAddress else { return nil }
        let name = "content-length:"
        var (line, status, length): (Int, Int?, Int?) = (0, nil, nil)
        while let end = memchr(start + line, 0x0a, view.count - line).map({ start.distance(to: $0) }) {
            // Each ends with CR LF.
            let count = end - 1 - line
            if line == 0 {
                // HTTP/1.1 201 Created
                guard count >= 12, memcmp(start, "HTTP/1.", 7) == 0 else { throw BenchFailure("this is no HTTP") }
                status = Self.number(view[9..<12])
            } else if count > name.utf8.count, strncasecmp(start + line, name, name.utf8.count) == 0 {
                length = Self.number(view[(line + name.utf8.count)..<(line + count)].drop { $0 == 0x20 })
            } else if count <= 0 {
                guard let status, let length else { throw BenchFailure("an answer without a status or a length") }
                (self.status, self.length, bytes) = (status, length, end + 1)
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
