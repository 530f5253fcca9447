import LongtakeDaemonDriver
import Testing

/// Several requests on one connection: the next request begins where the previous response ends.
@Suite struct PipeliningTests {
    @Test("answers pipelined requests in order")
    func pipelined() async throws {
        try await LocalDaemon.run { daemon in
            let socket = try daemon.connect()
            let get = { (path: String) in "GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n" }
            try socket.send(get("/healthz") + get("/nowhere") + get("/readyz"))
            let answers = try (0..<3).map { _ in try socket.readResponse(within: 30).status }
            #expect(answers == [200, 404, 200])
        }
    }

    @Test("keeps the connection after a stream, and closes it if a request was sent during the stream")
    func behindStreams() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            let socket = try daemon.connect()
            for _ in 0..<3 {
                let id = try daemon.submit()
                let reader = try EventReader(socket, "GET /v1/jobs/\(id)/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
                #expect(try reader.rest().last?.event == "job.succeeded" && reader.endedCleanly)
                #expect(try socket.exchange("GET /v1/jobs/\(id) HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200)
            }
            let id = try daemon.submit()
            let reader = try EventReader(
                socket,
                "GET /v1/jobs/\(id)/events HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
            )
            #expect(try reader.rest().last?.event == "job.succeeded" && reader.endedCleanly)
            #expect(try socket.readToEnd().isEmpty)

            // The partial request after the stream's request counts too. Otherwise later bytes
            // would be parsed as another request.
            let next = try daemon.connect()
            let last = try EventReader(
                next,
                "GET /v1/jobs/\(try daemon.submit())/events HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HTTP/1.1\r\nX-Rest: "
            )
            #expect(try last.rest().last?.event == "job.succeeded" && last.endedCleanly)
            #expect(try next.readToEnd().isEmpty)
        }
    }

    // This test failed without `replaceParser`: the second request timed out. Java's HTTP client
    // sends such a header with each request.
    @Test(
        "ignores a request to upgrade the protocol and keeps the connection: bodies, pipelining, streams"
    )
    func upgrade() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            let socket = try daemon.connect()
            let upgrade =
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
            func get(_ path: String, _ fields: String) -> String {
                "GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n"
            }
            let body = #"{"input":{"prompt":"a boat"}}"#
            func post(_ fields: String, _ body: String) -> String {
                "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\(fields)\r\n\(body)"
            }
            let sized = post(upgrade + "Content-Length: \(body.utf8.count)\r\n", body)
            let chunked = post(
                upgrade + "Transfer-Encoding: chunked\r\n",
                "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n")
            for request in [get("/healthz", upgrade), sized, chunked, get("/nothing", upgrade), get("/healthz", "")] {
                let answer = try socket.exchange(request, within: 30)
                #expect([200, 201, 404].contains(answer.status) && answer["connection"] != "close", "\(request)")
            }
            // All requests in one write, except the second part of the last one.
            let last = get("/readyz", "Connection: Upgrade\r\nUpgrade: websocket\r\n")
            try socket.send(get("/healthz", upgrade) + sized + chunked + get("/nothing", "") + String(last.prefix(20)))
            #expect(try (0..<4).map { _ in try socket.readResponse(within: 30).status } == [200, 201, 201, 404])
            try socket.send(String(last.dropFirst(20)))
            #expect(try socket.readResponse(within: 30).status == 200)
            let reader = try EventReader(socket, get("/v1/jobs/\(try daemon.submit())/events", upgrade))
            #expect(try reader.rest().last?.event == "job.succeeded" && reader.endedCleanly)
            #expect(try socket.exchange(get("/healthz", ""), within: 30).status == 200)
        }
    }

    @Test("HEAD of a stream returns no body, not even the last chunk")
    func headOfStream() async throws {
        try await LocalDaemon.run { daemon in
            let id = try daemon.submit()
            let socket = try daemon.connect()
            try socket.send("HEAD /v1/jobs/\(id)/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let head = try socket.readHead(within: 30)
            #expect(head.status == 200)
            #expect(head["connection"] == "close")
            #expect(try socket.readToEnd(within: 30).isEmpty)
        }
    }
}
