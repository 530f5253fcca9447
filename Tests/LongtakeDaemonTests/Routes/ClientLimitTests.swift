import Glibc
import LongtakeDaemonDriver
import Testing

/// Limits that a client reaches only after many seconds, with thousands of connections, or in the
/// reads of the database.
@Suite(.serialized) struct ClientLimitTests {
    private static let idle = ["LONGTAKE_QUEUES_CPU_WORKERS=0"]

    @Test("returns 408 and closes the connection if a request does not arrive within 10 seconds", .tags(.slow))
    func slowRequest() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess()
            let body =
                "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"
            let sockets = try ["GET /healthz HTTP/1.1\r\nHost: localhost\r\n", body].map { start in
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

    /// 60 jobs of about 32 KB exceed two pages. This test failed when `limit` alone ended a page.
    private static func fill(_ daemon: DaemonProcess) throws -> [String] {
        let text = String(repeating: "\u{10348}", count: 4_000)
        let body = #"{"input":{"prompt":"\#(text)","negative_prompt":"\#(text)"}}"#
        let socket = try daemon.connect()
        return try (0..<60).map { _ in try socket.exchange(RequestText.submission(body)).text("id") }
    }

    @Test("ends a page of large jobs early, and the next page continues after it")
    func largePages() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: Self.idle)
            let ids = try Self.fill(daemon)
            var (seen, cursor, pages): ([String], String?, Int) = ([], nil, 0)
            repeat {
                let page = try daemon.get("/v1/jobs?limit=200" + (cursor.map { "&cursor=\($0)" } ?? ""))
                #expect(page.body.utf8.count < 1_300_000)
                seen += try #require(try page.object()["jobs"] as? [Any]).compactMap {
                    ($0 as? [String: Any])?["id"] as? String
                }
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
            let daemon = try DaemonProcess(environment: Self.idle)
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

    /// This test failed without the limit in StreamHub.takeWaitSlot, and when the slot was not
    /// freed.
    @Test(
        "rejects waits beyond the limit, but never a submission", .tags(.slow),
        .enabled(if: sysconf(CInt(_SC_OPEN_MAX)) > 4_096))
    func tooManyWaits() async throws {
        try await onOwnThread {
            let most = 2_048
            let daemon = try DaemonProcess(environment: Self.idle)
            let id = try daemon.submit()
            let wait =
                "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/jobs/\(id) HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=50\r\n\r\n"
            var waiting = try (0..<most).map { _ in
                let socket = try daemon.connect()
                try socket.send(wait)
                // When the first request is answered, the second has been accepted.
                #expect(try socket.readResponse().status == 200)
                return socket
            }
            // The last request may not have arrived yet.
            let deadline = Deadline(120)
            var refused = try Self.refusal(daemon, id)
            while refused == nil {
                try #require(!deadline.isOver)
                refused = try Self.refusal(daemon, id)
            }
            #expect(refused?.status == 429 && refused?["retry-after"] != nil)
            let page = try daemon.get("/v1/jobs/\(id)/events?after=1&wait=50", "Accept: application/json")
            #expect(page.status == 429)
            let created = try daemon.post("/v1/jobs", RequestText.boat, "Prefer: wait=50")
            #expect(created.status == 201 && created["preference-applied"] == nil)
            #expect(try daemon.get("/v1/jobs/\(id)").status == 200)

            // Clients that disconnect free their slots.
            waiting.removeAll()
            let again = Deadline(120)
            while try Self.refusal(daemon, id) != nil { try #require(!again.isOver) }
        }
    }

    /// The status of a short wait; `nil` if it may wait.
    private static func refusal(_ daemon: DaemonProcess, _ id: String) throws -> Exchange? {
        let answer = try daemon.get("/v1/jobs/\(id)", "Prefer: wait=1", within: 20)
        return answer.status == 200 ? nil : answer
    }
}
