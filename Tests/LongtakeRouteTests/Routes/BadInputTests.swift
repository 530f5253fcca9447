import LongtakeDaemonDriver
import Testing

/// Invalid input that takes more than one write. The list of hostile inputs has the rest.
@Suite struct BadInputTests {
    @Test("names each error of an invalid body with its JSON pointer")
    func pointers() async throws {
        try await LocalDaemon.run { daemon in
            let body =
                #"{"input":{"fps":61,"resolution":"63x64","duration_seconds":"8","a/b":1},"priority":10,"simulation":1,"x~":0}"#
            let response = try daemon.connect().exchange(RequestText.submission(body))
            #expect(response.status == 422)
            let errors = try #require(try response.object()["errors"] as? [Any]).compactMap { $0 as? [String: Any] }
            let pointers = Set(errors.compactMap { $0["pointer"] as? String })
            let expected: Set = [
                "/input/fps", "/input/resolution", "/input/duration_seconds", "/input/a~1b", "/input/prompt",
                "/priority", "/x~0",
            ]
            #expect(pointers == expected)
            #expect(errors.contains { $0["detail"] as? String == "must be between 1 and 60" })
        }
    }

    // Before the fix, the message was “it stops being that at byte 0”, which pointed to a valid
    // brace.
    @Test("says that a body begins with a byte order mark, for any text after the mark")
    func byteOrderMark() async throws {
        try await LocalDaemon.run { daemon in
            for body in ["\u{feff}{\"input\":{\"prompt\":\"a\"}}", "\u{feff}", "\u{feff}["] {
                let response = try daemon.connect().exchange(RequestText.submission(body))
                #expect(response.status == 400)
                #expect(
                    try response.object()["detail"] as? String
                        == "The body begins with a byte order mark (EF BB BF), which JSON does not allow (RFC 8259 §8.1). Send it without these three bytes."
                )
            }
        }
    }

    @Test("rejects garbage in place of a request and continues to serve")
    func garbage() async throws {
        try await LocalDaemon.run { daemon in
            var state: UInt64 = 7
            for _ in 0..<200 {
                let bytes = (0..<64).map { _ -> UInt8 in
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return UInt8(truncatingIfNeeded: state >> 56)
                }
                let socket = try daemon.connect()
                try? socket.send(bytes + Array("\r\n\r\n".utf8))
                socket.finishSending()
                let answer = String(decoding: try socket.readToEnd(), as: UTF8.self)
                #expect(
                    answer.isEmpty || answer.hasPrefix("HTTP/1.1 400") || answer.hasPrefix("HTTP/1.0 400"), "\(answer)")
            }
            #expect(try daemon.get("/readyz").status == 200)
        }
    }

    @Test("answers requests on one connection in order")
    func pipelining() async throws {
        try await LocalDaemon.run { daemon in
            let socket = try daemon.connect()
            let health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
            try socket.send(health + "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + health)
            let first = try socket.readResponse()
            #expect(first.status == 200)
            let head = try socket.readResponse(isHead: true)
            #expect(head["content-length"] == first["content-length"], "HEAD returns the content length of GET")
            #expect(try socket.readResponse().body == first.body)
            try socket.send(
                "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
            )
            #expect(try socket.readHead().status == 100)
            try socket.send("{}")
            #expect(try socket.readResponse().status == 422)
        }
    }

    @Test("closes the connection if bytes follow the request of a stream")
    func bytesBehindAStream() async throws {
        try await LocalDaemon.run { daemon in
            let id = try daemon.submit()
            let reader = try daemon.follow(id)
            _ = try reader.next()
            try reader.socket.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            _ = try? reader.rest(within: 10)
            #expect(!reader.endedCleanly)
            #expect(reader.socket.isAtEnd)
            #expect(try daemon.get("/readyz").status == 200)
        }
    }
}
