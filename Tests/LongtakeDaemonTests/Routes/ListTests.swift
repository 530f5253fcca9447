import Glibc
import LongtakeDaemonDriver
import Testing

/// Lists, pipelines, idempotency keys, health and readiness.
@Suite(.serialized) struct ListTests {
    @Test("lists jobs newest first, and pages are stable while jobs are added")
    func list() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "0.1")
            let ids = try (0..<5).map { _ in try daemon.submit() }
            let first = try daemon.get("/v1/jobs?limit=2").object()
            #expect(try Self.ids(first) == [ids[4], ids[3]])
            _ = try daemon.submit()
            let next = try #require(first["next"] as? String)
            let second = try daemon.get("/v1/jobs?limit=2&cursor=\(next)").object()
            #expect(try Self.ids(second) == [ids[2], ids[1]])
            let last = try daemon.get("/v1/jobs?limit=2&cursor=\(try #require(second["next"] as? String))").object()
            #expect(try Self.ids(last) == [ids[0]])
            #expect(last["next"] is JSON.Null)
            #expect((last["last_event_id"] as? String)?.wholeMatch(of: /[0-9a-f]{8}-g[0-9]+/) != nil)
            #expect(try Self.ids(daemon.get("/v1/jobs?state=succeeded").object()) == [])
            #expect(try Self.ids(daemon.get("/v1/jobs?pipeline=image-to-video").object()) == [])
            let jobs = try #require(first["jobs"] as? [Any])
            #expect(
                (jobs[0] as? [String: Any])?["queue_position"] == nil,
                "a list has no queue positions, because each would cost a query"
            )
        }
    }

    /// 60 jobs of about 32 KB exceed two pages. This test failed when `limit` alone ended a page.
    private static func fill(_ daemon: DaemonProcess) throws -> [String] {
        let text = String(repeating: "\u{10348}", count: 4_000)
        let body = #"{"input":{"prompt":"\#(text)","negative_prompt":"\#(text)"}}"#
        let socket = try daemon.connect()
        return try (0..<60).map { _ in
            let answer = try socket.exchange(DaemonProcess.submission(body))
            return try #require(try answer.object()["id"] as? String, "\(answer.body)")
        }
    }

    @Test("ends a page of large jobs early, and the next page continues after it")
    func largePages() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"])
            let ids = try Self.fill(daemon)
            var (seen, cursor, pages): ([String], String?, Int) = ([], nil, 0)
            repeat {
                let page = try daemon.get("/v1/jobs?limit=200" + (cursor.map { "&cursor=\($0)" } ?? ""))
                #expect(page.body.utf8.count < 1_300_000)
                seen += try Self.ids(page.object())
                cursor = try page.object()["next"] as? String
                pages += 1
            } while cursor != nil
            #expect(seen == ids.reversed())
            #expect(pages == 2)
        }
    }

    // This test failed with a deadline of one minute.
    @Test("disconnects a client that does not read a large response", .tags(.slow))
    func unread() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"])
            _ = try Self.fill(daemon)
            let lazy = try daemon.connect(receiveBuffer: 4_096)
            try lazy.send("GET /v1/jobs?limit=200 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let observer = try daemon.connect()
            func connections() throws -> String? {
                let metrics = try observer.exchange("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").body
                poll(nil, 0, 20)
                return metrics.split(separator: "\n").first { $0.hasPrefix("longtake_connections_open ") }.map(
                    String.init)
            }
            // This is earlier than the kernel's limit of 30 s (TCP_USER_TIMEOUT).
            let deadline = Deadline(25)
            while try connections() != "longtake_connections_open 2" {
                try #require(!deadline.isOver, "the response did not begin")
            }
            while try connections() != "longtake_connections_open 1" {
                try #require(!deadline.isOver, "the client was not disconnected")
            }
            withExtendedLifetime(lazy) {}
        }
    }

    @Test("one key creates one job, also after a restart; another body with the key is a conflict")
    func idempotency() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "400")
            func submit(_ prompt: String) throws -> Exchange {
                let body = #"{"input":{"prompt":"\#(prompt)"}}"#
                return try daemon.connect().exchange(
                    "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: k-1\r\n"
                        + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            }
            let first = try submit("a boat")
            #expect(first.status == 201)
            let again = try submit("a boat")
            #expect(again.status == 200)
            #expect(again["idempotent-replayed"] == "true")
            #expect(again["location"] == first["location"])
            #expect(try submit("a ship").status == 422)
            daemon.kill()
            try daemon.start()
            #expect(try submit("a boat")["location"] == first["location"])
        }
    }

    @Test("reports health, readiness and pipelines")
    func about() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess()
            let health = try daemon.get("/healthz").object()
            #expect(health["status"] as? String == "ok")
            #expect(health["version"] is String)
            #expect(try daemon.get("/readyz").status == 200)
            let pipelines = try daemon.get("/v1/pipelines").object()
            #expect(pipelines["default"] as? String == "text-to-video")
            let names = try #require(pipelines["pipelines"] as? [Any]).compactMap {
                ($0 as? [String: Any])?["name"] as? String
            }
            #expect(names == ["image-to-video", "text-to-video"])
            let options = try daemon.connect().exchange("OPTIONS /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(options.status == 204)
            #expect(options["allow"] == "GET, HEAD, OPTIONS, POST")
        }
    }

    private static func ids(_ page: [String: Any]) throws -> [String] {
        try #require(page["jobs"] as? [Any]).compactMap { ($0 as? [String: Any])?["id"] as? String }
    }
}
