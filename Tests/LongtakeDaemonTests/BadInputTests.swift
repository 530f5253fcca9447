import LongtakeDaemonDriver
import Testing

/// What clients send by mistake or on purpose: the right status, never a 500, and the daemon goes on.
@Suite(.serialized) struct BadInputTests {
    @Test("each mistake in a request has its status and a problem that says what is wrong")
    func mistakes() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess()
            for (name, request, status) in Self.requests {
                let response = try daemon.connect().exchange(request)
                #expect(response.status == status, "\(name): \(response.body)")
                #expect(response["content-type"] == "application/problem+json", "\(name)")
                let problem = try response.object()
                #expect(problem["status"] as? Double == Double(status), "\(name)")
                #expect((problem["type"] as? String)?.hasPrefix("urn:longtake:problem:") == true, "\(name)")
                #expect(problem["title"] is String, "\(name)")
                if status == 405 { #expect(response["allow"] != nil, "\(name)") }
            }
            #expect(try daemon.get("/readyz").status == 200)
            #expect(try daemon.get("/v1/jobs").object()["jobs"] is [Any])
            #expect(!daemon.log.contains("request failed"), "nothing of this was an error of ours")
        }
    }

    @Test("a body that breaks rules is told each of them, with its place")
    func pointers() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess()
            let body =
                #"{"input":{"fps":61,"resolution":"63x64","duration_seconds":"8","a/b":1},"priority":10,"simulation":1,"x~":0}"#
            let response = try daemon.connect().exchange(DaemonProcess.submission(body))
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

    @Test("garbage in place of a request is refused, and the daemon goes on")
    func garbage() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess()
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

    @Test("a request that does not arrive within 10 seconds is told so, and cut", .tags(.slow))
    func slowRequest() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess()
            let sockets = try ["GET /healthz HTTP/1.1\r\nHost: localhost\r\n", Self.head(contentLength: 10) + "{"].map {
                start in
                let socket = try daemon.connect()
                try socket.send(start)
                return socket
            }
            for socket in sockets {
                let response = try socket.readResponse(within: 20)
                #expect(response.status == 408)
                #expect(try socket.readToEnd() == [])
            }
        }
    }

    @Test("requests on one connection are answered one after the other")
    func pipelining() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess()
            let socket = try daemon.connect()
            let health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
            try socket.send(health + "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + health)
            let first = try socket.readResponse()
            #expect(first.status == 200)
            let head = try socket.readResponse(isHead: true)
            #expect(head["content-length"] == first["content-length"], "HEAD says what GET would")
            #expect(try socket.readResponse().body == first.body)
            try socket.send(Self.head(contentLength: 2, "Expect: 100-continue\r\n"))
            #expect(try socket.readHead().status == 100)
            try socket.send("{}")
            #expect(try socket.readResponse().status == 422)
        }
    }

    @Test("bytes behind the request of a stream close the connection")
    func bytesBehindAStream() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess()
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

    private static func head(contentLength: Int, _ fields: String = "") -> String {
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \(contentLength)\r\n\(fields)\r\n"
    }

    private static func get(_ target: String, _ fields: String = "") -> String {
        "GET \(target) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n"
    }

    private static let job = "job_" + String(repeating: "0", count: 26)

    private static let requests: [(String, String, Int)] = [
        ("no such route", get("/nope"), 404),
        ("no such job", get("/v1/jobs/\(job)"), 404),
        ("no job id", get("/v1/jobs/%00"), 404),
        ("no such job's events", get("/v1/jobs/\(job)/events", "Accept: text/event-stream\r\n"), 404),
        (
            "no such job to cancel",
            "POST /v1/jobs/\(job)/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 404
        ),
        ("wrong method", "PUT /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405),
        ("wrong method of one job", "DELETE /v1/jobs/\(job)/events HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        ("unknown method", "PROPFIND /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
        ("no representation", get("/v1/jobs/\(job)", "Accept: image/png\r\n"), 406),
        ("no representation of events", get("/v1/jobs/\(job)/events", "Accept: image/png\r\n"), 406),
        ("limit out of bounds", get("/v1/jobs?limit=201"), 400),
        ("limit that is no number", get("/v1/jobs?limit=x"), 400),
        ("state that is none", get("/v1/jobs?state=done"), 400),
        ("cursor of no list", get("/v1/jobs?cursor=zzz"), 400),
        ("pipeline that is no name", get("/v1/jobs?pipeline=A%20B"), 400),
        ("wait out of bounds", get("/v1/jobs/\(job)/events?wait=51", "Accept: application/json\r\n"), 400),
        ("events' limit out of bounds", get("/v1/jobs/\(job)/events?limit=1001", "Accept: application/json\r\n"), 400),
        ("format that is none", get("/v1/jobs/\(job)/events?format=xml"), 400),
        ("heartbeat that is none", get("/v1/jobs/\(job)/events?heartbeat=x"), 400),
        ("no JSON", DaemonProcess.submission("{"), 400),
        ("no body", DaemonProcess.submission(""), 400),
        ("deep nesting", DaemonProcess.submission(String(repeating: "[", count: 30_000)), 400),
        ("an array", DaemonProcess.submission("[]"), 422),
        ("a number", DaemonProcess.submission("1e400"), 400),
        ("no prompt", DaemonProcess.submission(#"{"input":{}}"#), 422),
        ("null as prompt", DaemonProcess.submission(#"{"input":{"prompt":null}}"#), 422),
        ("unknown pipeline", DaemonProcess.submission(#"{"pipeline":"x","input":{"prompt":"a"}}"#), 422),
        ("unknown field", DaemonProcess.submission(#"{"input":{"prompt":"a"},"inputs":1}"#), 422),
        (
            "unknown stage to fail",
            DaemonProcess.submission(#"{"input":{"prompt":"a"},"simulation":{"fail_stage":"x"}}"#), 422
        ),
        ("speed 0", DaemonProcess.submission(#"{"input":{"prompt":"a"},"simulation":{"speed":0}}"#), 422),
        ("body too large", head(contentLength: 65_537), 413),
        ("body too large in chunks", chunked(String(repeating: "a", count: 70_000)), 413),
        ("no content type", "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 415),
        (
            "another content type",
            "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415
        ),
        ("headers too large", get("/healthz", "X-Large: \(String(repeating: "a", count: 17_000))\r\n"), 431),
        ("expectation", head(contentLength: 2, "Expect: wonders\r\n"), 417),
        ("a POST that reconnects", submission("Last-Event-ID: 00000000-1\r\n"), 400),
        ("an empty key", submission("Idempotency-Key: \r\n"), 400),
        ("a key that is too long", submission("Idempotency-Key: \(String(repeating: "k", count: 256))\r\n"), 400),
        ("no request line", "HELLO\r\n\r\n", 400),
        ("two lengths", head(contentLength: 2, "Content-Length: 3\r\n") + "{}", 400),
        ("length and chunks", head(contentLength: 2, "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400),
    ]

    private static func submission(_ field: String) -> String {
        let body = #"{"input":{"prompt":"a"}}"#
        return head(contentLength: body.utf8.count, field) + body
    }

    private static func chunked(_ body: String) -> String {
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            + String(body.utf8.count, radix: 16) + "\r\n" + body + "\r\n0\r\n\r\n"
    }
}
