import Glibc
import HTTPTypes
import Hummingbird
import LongtakeDaemonDriver
import LongtakeTesting
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

@testable import LongtakeHTTP

/// What the routes of a test have seen.
final class UploadSink: Sendable {
    private struct State {
        var bytes = 0
        var ends: [String] = []
    }

    private let state = Mutex(State())
    /// The route `/held` reads when this is given.
    let mayRead = Signal()

    var bytes: Int { state.withLock { $0.bytes } }
    /// How the bodies ended: `end` or `cut`.
    var ends: [String] { state.withLock { $0.ends } }

    /// `POST /sink` reads the body and responds with its length and a checksum. `POST /held` does
    /// so when ``mayRead`` is given. `POST /refuse` responds with 413 at once, `POST /first` with
    /// 507 after the first bytes, `POST /told` sends 104 first. `POST /small` is no upload.
    func register(on table: inout RouteTable) {
        let routes: [(String, RouteTable.Handler)] = [
            ("/sink", { request, _ in try await self.read(request) }),
            (
                "/held",
                { request, _ in
                    await self.mayRead.wait()
                    return try await self.read(request)
                }
            ),
            ("/refuse", { _, _ in throw Problem.bodyTooLarge }),
            (
                "/first",
                { request, _ in
                    for try await _ in request.body { break }
                    return Response(status: .init(code: 507, reasonPhrase: "Insufficient Storage"))
                }
            ),
            (
                "/told",
                { request, context in
                    context.exchange.inform(
                        .init(code: 104, reasonPhrase: "Upload Resumption Supported"), [.location: "/uploads/1"])
                    return try await self.read(request)
                }
            ),
        ]
        for (path, handler) in routes { table.add(path, [.post: .openUpload(handler)]) }
        table.add(
            "/small", [.post: .open { request, _ in try await self.read(request) }, .get: .open { _, _ in .text("s") }])
    }

    private func read(_ request: Request) async throws -> Response {
        var (count, hasher) = (0, Hasher())
        do {
            for try await bytes in request.body {
                count += bytes.readableBytes
                bytes.withUnsafeReadableBytes { hasher.combine(bytes: $0) }
                state.withLock { $0.bytes += bytes.readableBytes }
            }
        } catch {
            state.withLock { $0.ends.append("cut") }
            throw error
        }
        state.withLock { $0.ends.append("end") }
        return .text("\(count) \(hasher.finalize())")
    }

    static func answer(to body: [UInt8]) -> String {
        var hasher = Hasher()
        body.withUnsafeBytes { hasher.combine(bytes: $0) }
        return "\(body.count) \(hasher.finalize())"
    }
}

extension RouteTable.Route {
    fileprivate static func openUpload(_ handler: @escaping RouteTable.Handler) -> RouteTable.Route {
        RouteTable.Route(right: nil, acceptsTicket: false, query: nil, isUpload: true, handler: handler)
    }
}

extension Response {
    fileprivate static func text(_ text: String) -> Response {
        Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: text)))
    }
}

private func post(_ path: String, _ fields: String..., version: String = "1.1") -> String {
    "POST \(path) HTTP/\(version)\r\nHost: localhost\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n"
}

private func sized(_ count: Int) -> String { "Content-Length: \(count)" }

private let small = "GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n"

@Suite("uploads over sockets")
struct UploadTests {
    private let sink = UploadSink()

    @Test("gives the route a body of any length, and keeps the connection")
    func large() async throws {
        try await TransferServer.run(routes: sink.register) { [sink] server in
            let socket = try server.connect()
            for count in [5_000_000, 0, 1, 65_536, 1_000_000] {
                let body = SampleFile.bytes(0..<count)
                try socket.send(post("/sink", sized(count)))
                try socket.send(body)
                let answer = try socket.readResponse()
                #expect(answer.body == UploadSink.answer(to: body) && answer["connection"] == nil)
            }
            #expect(try socket.exchange(small).body == "s")
            #expect(sink.ends == Array(repeating: "end", count: 5))
        }
    }

    @Test("accepts a body without length for a client that sends none, and a body of an HTTP/1.0 client")
    func otherForms() async throws {
        try await TransferServer.run(routes: sink.register) { server in
            let socket = try server.connect()
            #expect(try socket.exchange(post("/sink")).body == UploadSink.answer(to: []))
            #expect(
                try socket.exchange(post("/sink", sized(3), version: "1.0") + "abc").body
                    == UploadSink.answer(to: Array("abc".utf8)))
            #expect(try socket.readToEnd().isEmpty)
        }
    }

    // Fails if chunks are kept as slices: 300,000 buffers then wait.
    @Test("accepts tiny chunks and ignores trailers")
    func chunks() async throws {
        try await TransferServer.run(routes: sink.register) { server in
            let socket = try server.connect()
            let body = SampleFile.bytes(0..<100_000)
            var text: [UInt8] = []
            for byte in body { text += Array("1\r\n".utf8) + [byte] + [13, 10] }
            try socket.send(post("/sink", "Transfer-Encoding: chunked"))
            try socket.send(text)
            try socket.send("0\r\nX-Trailer: t\r\n\r\n")
            #expect(try socket.readResponse().body == UploadSink.answer(to: body))
            #expect(try socket.exchange(small).body == "s")
        }
    }

    // Fails without `limitWindow` and the hold: all bytes are then in memory.
    @Test("64 uploads to routes that do not read keep few bytes in memory, and end when the routes read")
    func bounded() async throws {
        try await TransferServer.run(loops: 2, routes: sink.register) { [sink] server in
            let body = SampleFile.bytes(0..<2_000_000)
            let answers = (0..<64).map { _ in
                BlockingAnswer {
                    let socket = try server.connect()
                    try socket.send(post("/held", sized(body.count)))
                    try socket.send(body)
                    return try socket.readResponse(within: 100)
                }
            }
            let memory = server.service.uploadMemory
            #expect(blockUntil { memory.bytes >= 64 * UploadBuffer.fullBytes })
            // Nothing signals that no more bytes arrive. Without the hold they arrive within 50 ms.
            poll(nil, 0, 300)
            #expect(memory.bytes <= 64 * (UploadBuffer.fullBytes + 4 * 65_536))
            #expect(sink.bytes == 0)
            sink.mayRead.give()
            let expected = UploadSink.answer(to: body)
            for answer in answers {
                let response = try answer.wait(within: 100)
                #expect(response.body == expected)
            }
            #expect(memory.bytes == 0)
        }
    }

    // A client that closes its sending side makes the event loop read all that has arrived.
    @Test("keeps few bytes in memory when the client has sent a FIN")
    func finished() async throws {
        try await TransferServer.run(routes: sink.register) { [sink] server in
            let body = SampleFile.bytes(0..<4_000_000)
            let answer = BlockingAnswer {
                let socket = try server.connect()
                try socket.send(post("/held", sized(body.count)))
                try socket.send(body)
                socket.finishSending()
                return try socket.readResponse(within: 60)
            }
            let memory = server.service.uploadMemory
            #expect(blockUntil { memory.bytes >= UploadBuffer.fullBytes })
            poll(nil, 0, 300)
            #expect(memory.bytes <= UploadBuffer.fullBytes + 4 * 65_536)
            sink.mayRead.give()
            let response = try answer.wait()
            #expect(response.body == UploadSink.answer(to: body))
        }
    }

    @Test("sends 100 Continue when the route reads, and the final status alone if it does not")
    func expectation() async throws {
        try await TransferServer.run(routes: sink.register) { [sink] server in
            let socket = try server.connect()
            try socket.send(post("/held", sized(3), "Expect: 100-continue"))
            #expect(blockUntil { server.service.connections.count == 1 })
            poll(nil, 0, 100)
            #expect(!socket.hasBytes, "the route has not asked")
            sink.mayRead.give()
            #expect(try socket.readHead().status == 100)
            #expect(try socket.exchange("abc").body == UploadSink.answer(to: Array("abc".utf8)))
            // The connection is kept.
            let refused = try socket.exchange(post("/refuse", sized(3), "Expect: 100-continue"))
            #expect(refused.status == 413 && refused["connection"] == "close")
            #expect(try socket.readToEnd().isEmpty)
            // A client that does not wait gets no 100.
            let impatient = try server.connect()
            #expect(try impatient.exchange(post("/sink", sized(3), "Expect: 100-continue") + "abc").status == 200)
        }
    }

    @Test("sends an interim response of the route before the response")
    func interim() async throws {
        try await TransferServer.run(routes: sink.register) { server in
            let socket = try server.connect()
            try socket.send(post("/told", sized(3)) + "abc")
            let head = try socket.readHead()
            #expect(head.status == 104 && head["location"] == "/uploads/1" && head["content-length"] == nil)
            #expect(try socket.readResponse().body == UploadSink.answer(to: Array("abc".utf8)))
            try socket.send(post("/told", sized(3), version: "1.0") + "abc")
            #expect(try socket.readResponse().status == 200, "HTTP/1.0 has no interim responses")
        }
    }

    // Fails without `linger`: the client then gets a reset instead of the response.
    @Test(
        "delivers a response before the end of the body, discards the rest and closes",
        arguments: ["/refuse", "/first"])
    func early(path: String) async throws {
        try await TransferServer.run(routes: sink.register) { server in
            for _ in 0..<20 {
                let socket = try server.connect()
                try socket.send(post(path, sized(50_000_000)))
                try socket.send([UInt8](repeating: 0, count: 1_000_000))
                let answer = try socket.readResponse()
                #expect(answer.status == (path == "/refuse" ? 413 : 507) && answer["connection"] == "close")
                #expect(try socket.readToEnd().isEmpty)
            }
            #expect(blockUntil { server.service.connections.count == 0 })
        }
    }

    @Test("keeps the connection when the route does not read a body that has arrived")
    func unread() async throws {
        try await TransferServer.run(routes: sink.register) { [sink] server in
            let socket = try server.connect()
            let held = post("/held", sized(1_000)) + String(repeating: "a", count: 1_000)
            try socket.send(held + small + post("/sink", sized(2)) + "ab" + small)
            sink.mayRead.give()
            let statuses = try (0..<4).map { _ in try socket.readResponse().status }
            #expect(statuses == [200, 200, 200, 200], "pipelined requests wait for the upload")
        }
    }

    @Test("cancels the route when the client disconnects", arguments: [false, true])
    func cut(byReset: Bool) async throws {
        try await TransferServer.run(routes: sink.register) { [sink] server in
            do {
                let socket = try server.connect()
                if byReset { socket.resetAtClose() }
                try socket.send(post("/sink", sized(1_000_000)) + "abc")
                #expect(blockUntil { sink.bytes == 3 })
            }
            #expect(blockUntil { sink.ends == ["cut"] && server.service.connections.count == 0 })
        }
    }

    @Test("cancels the route of a held upload when the client disconnects")
    func cutWhileHeld() async throws {
        try await TransferServer.run(routes: sink.register) { [sink] server in
            do {
                let socket = try server.connect()
                socket.resetAtClose()
                try socket.send(post("/held", sized(10_000_000)))
                try socket.send([UInt8](repeating: 0, count: 300_000))
                #expect(blockUntil { server.service.uploadMemory.bytes >= UploadBuffer.fullBytes })
            }
            #expect(blockUntil { server.service.connections.count == 0 && server.service.uploadMemory.bytes == 0 })
            sink.mayRead.give()
            #expect(blockUntil { sink.ends == ["cut"] })
        }
    }

    @Test("refuses broken framing in the middle of an upload")
    func malformed() async throws {
        try await TransferServer.run(routes: sink.register) { [sink] server in
            let socket = try server.connect()
            try socket.send(post("/sink", "Transfer-Encoding: chunked") + "3\r\nabc\r\nzz\r\n")
            let answer = try socket.readResponse()
            #expect(answer.status == 400 && answer["connection"] == "close")
            #expect(blockUntil { sink.ends == ["cut"] })
        }
    }

    @Test("a shutdown lets an upload end, and then cuts it")
    func drain() async throws {
        try await TransferServer.run(routes: sink.register) { [sink] server in
            let (ending, stuck) = (try server.connect(), try server.connect())
            for socket in [ending, stuck] { try socket.send(post("/sink", sized(10)) + "abcde") }
            #expect(blockUntil { sink.bytes == 10 })
            let isStopped = Signal()
            BlockingThread.run {
                blockingly { await server.stop(within: .seconds(2)) }
                isStopped.give()
            }
            // The connection learns of the shutdown before it answers.
            #expect(blockUntil { server.service.connections.isDraining })
            let last = try ending.exchange("fghij")
            #expect(last.status == 200)
            blockingly { await isStopped.wait() }
            #expect(try stuck.readToEnd().isEmpty, "the other is cut without a response")
            #expect(blockUntil { sink.ends.sorted() == ["cut", "end"] })
        }
    }

    @Test("other routes still get at most 64 KiB, and their whole body at once")
    func others() async throws {
        try await TransferServer.run(routes: sink.register) { server in
            let socket = try server.connect()
            let body = SampleFile.bytes(0..<65_536)
            try socket.send(post("/small", sized(body.count)))
            try socket.send(body)
            #expect(try socket.readResponse().body == UploadSink.answer(to: body))
            #expect(try socket.exchange(post("/small", sized(65_537))).status == 413)
        }
    }
}
