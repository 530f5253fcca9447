import LongtakeDaemonDriver
import Testing

/// `GET /v1/diagnostics/stream`.
@Suite struct DiagnosticsTests {
    private static func stream(_ daemon: any TestDaemon, _ query: String = "", _ field: String = "X-A: 1") throws
        -> Socket
    {
        let socket = try daemon.connect()
        try socket.send("GET /v1/diagnostics/stream\(query) HTTP/1.1\r\nHost: localhost\r\n\(field)\r\n\r\n")
        return socket
    }

    @Test("sends numbered test events one at a time with their times, and then stream.end")
    func events() async throws {
        try await LocalDaemon.run { daemon in
            let socket = try Self.stream(daemon, "?events=4&interval_ms=50")
            let head = try socket.readHead()
            #expect(head.status == 200)
            #expect(head["content-type"] == "text/event-stream; charset=utf-8")
            #expect(head["cache-control"] == "no-store, no-transform")
            #expect(head["x-accel-buffering"] == "no")
            var times: [String] = []
            for number in 1...4 {
                // Each event is one chunk, and so one write.
                let block = EventBlock(String(decoding: try #require(try socket.readChunk()), as: UTF8.self))
                #expect(block.event == "diagnostics.event" && block.id == nil)
                let data = try JSON.object(try #require(block.data))
                #expect(data["seq"] as? Double == Double(number) && data["of"] as? Double == 4)
                times.append(try #require(data["at"] as? String))
            }
            #expect(times == times.sorted())
            let end = try #require(try socket.readChunk())
            #expect(
                String(decoding: end, as: UTF8.self)
                    == "event: diagnostics.end\ndata: {\"type\":\"diagnostics.end\",\"of\":4}\n\n")
            #expect(try socket.readChunk() == nil)
            #expect(try socket.exchange("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 200)
            let usual = try EventReader(
                daemon.connect(), "GET /v1/diagnostics/stream?format=message HTTP/1.0\r\n\r\n")
            let blocks = try usual.rest()
            #expect(blocks.count == 9 && blocks.allSatisfy { $0.event == nil })
        }
    }

    /// This test and the previous one failed when the events did not wait for their times.
    @Test("counts as a stream, frees its slot at the end, and receives stream.end at a shutdown")
    func slot() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_STREAM_MAX_STREAMS=1"]) { daemon in
            let long = "?events=6&interval_ms=10000"
            var socket: Socket? = try Self.stream(daemon, long)
            #expect(try socket?.readHead().status == 200)
            #expect(try socket?.readChunk() != nil)
            #expect(socket?.hasBytes == false, "the second event is not due for seconds")
            #expect(try Self.stream(daemon, long).readResponse().status == 429)
            let browser = try Self.stream(daemon, long, "Accept: text/event-stream").readResponse()
            #expect(browser.status == 200 && browser.body.contains(#""reason":"limit""#))
            socket = nil
            let deadline = Deadline(5)
            while true {
                let next = try Self.stream(daemon, long)
                if try next.readHead().status == 200 {
                    _ = try next.readChunk()
                    socket = next
                    break
                }
                try #require(!deadline.isOver)
            }
            #expect(daemon.stop() == 0)
            let end = String(decoding: try #require(try socket?.readChunk()), as: UTF8.self)
            #expect(end.contains(#"{"type":"stream.end","reason":"draining"}"#))
            #expect(try socket?.readChunk() == nil)
        }
    }

    @Test("rejects invalid parameters with a status and a message")
    func bounds() async throws {
        try await LocalDaemon.run { daemon in
            for query in [
                "events=0", "events=101", "events=x", "interval_ms=9", "interval_ms=10001",
                "events=7&interval_ms=10000",
                "events=", "event=1", "events=1&events=2", "format=xml",
            ] {
                #expect(try daemon.get("/v1/diagnostics/stream?\(query)").status == 400, "\(query)")
            }
            for accept in ["application/json", "application/x-ndjson"] {
                let refused = try daemon.get("/v1/diagnostics/stream", "Accept: \(accept)")
                #expect(refused.status == 406, "\(accept)")
            }
        }
    }
}
