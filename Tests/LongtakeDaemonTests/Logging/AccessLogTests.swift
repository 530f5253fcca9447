import Glibc
import LongtakeDaemonDriver
import Testing

/// `log.access`.
@Suite struct AccessLogTests {
    /// Waits for the access record with these values.
    private static func line(_ daemon: DaemonProcess, _ values: [String: String]) throws -> [String: Any] {
        let deadline = Deadline(20)
        while true {
            for text in daemon.log.split(separator: "\n") where text.contains("\"msg\":\"access\"") {
                let line = try JSON.object(String(text))
                if values.allSatisfy({ "\(line[$0.key] ?? "")" == $0.value }) { return line }
            }
            try #require(!deadline.isOver, "\(values): \(daemon.log)")
            poll(nil, 0, 5)
        }
    }

    // This test failed without `writeRecord` in ConnectionHandler.endResponse.
    @Test(
        "all: logs the client, key id, tenant, route, status, bytes, time and id of each request, but no query and no key"
    )
    func all() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(
                "--speed", "1000",
                environment: [
                    "LONGTAKE_LOG_ACCESS=all", "LONGTAKE_AUTH_MODE=keys", "LONGTAKE_HTTP_TRUSTED_PROXIES=127.0.0.1",
                    // The access log does not depend on the level.
                    "LONGTAKE_LOG_LEVEL=info",
                ])
            let owner = try daemon.makeClient(tenant: "acme")
            let id = try #require(owner.keyID)
            let list = try owner.get(
                "/v1/jobs?limit=7", "X-Forwarded-For: 203.0.113.9, 198.51.100.7", "X-Request-Id: r-1")
            #expect(list["x-request-id"] == "r-1")
            let job = try owner.submit()
            #expect(try owner.stream("/v1/jobs/\(job)/events?after=1").rest().last?.event == "job.succeeded")
            #expect(try daemon.get("/v1/jobs?secret=1").status == 401)
            let missing = try daemon.get("/nowhere?token=secret")
            #expect(try daemon.connect().exchange("GARBAGE\r\n\r\n").status == 400)
            func line(_ method: String, _ route: String, _ status: String) throws -> [String: Any] {
                let line = try Self.line(daemon, ["method": method, "route": route, "status": "\(status).0"])
                #expect(line["duration_seconds"] is Double, "\(line)")
                #expect((line["request_id"] as? String)?.isEmpty == false, "\(line)")
                let isKnown = ["200", "201"].contains(status)
                #expect(line["key"] as? String == (isKnown ? id : "-"), "\(line)")
                #expect(line["tenant"] as? String == (isKnown ? "acme" : "-"), "\(line)")
                return line
            }
            let listed = try line("GET", "/v1/jobs", "200")
            #expect(listed["client"] as? String == "198.51.100.7")
            #expect(listed["request_id"] as? String == "r-1")
            #expect(listed["bytes"] as? Double == Double(list.body.utf8.count))
            #expect(listed["end"] == nil)
            #expect(try line("POST", "/v1/jobs", "201")["client"] as? String == "127.0.0.1")
            let stream = try line("GET", "/v1/jobs/{id}/events", "200")
            #expect(stream["end"] as? String == "final")
            #expect((stream["bytes"] as? Double ?? 0) > 1_000)
            _ = try line("GET", "/v1/jobs", "401")
            #expect(try line("GET", "-", "404")["request_id"] as? String == missing["x-request-id"])
            _ = try line("-", "-", "400")
            #expect(!daemon.log.contains("secret") && !daemon.log.contains("ltk_"))
        }
    }

    @Test("logs a stream when it ends, with the reason: the client disconnected, or the daemon shut down")
    func streams() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(
                environment: ["LONGTAKE_LOG_ACCESS=all", "LONGTAKE_LOG_LEVEL=error", "LONGTAKE_QUEUES_CPU_WORKERS=0"])
            let job = try daemon.submit()
            let route = "/v1/jobs/{id}/events"
            do {
                let left = try daemon.follow(job)
                #expect(try left.next()?.event == "stream.hello")
            }
            _ = try Self.line(daemon, ["route": route, "end": "client"])
            let staying = try daemon.follow(job)
            #expect(try staying.next()?.event == "stream.hello")
            #expect(daemon.stop() == 0)
            _ = try Self.line(daemon, ["route": route, "end": "draining"])
        }
    }

    @Test("errors: logs only status 400 and above; off, the default: logs nothing")
    func errors() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: ["LONGTAKE_LOG_ACCESS=errors"])
            #expect(try daemon.get("/healthz").status == 200)
            #expect(try daemon.get("/nowhere").status == 404)
            _ = try Self.line(daemon, ["status": "404.0"])
            #expect(!daemon.log.contains("\"status\":200"))
            let silent = try DaemonProcess()
            #expect(try silent.get("/nowhere").status == 404)
            #expect(silent.stop() == 0)
            #expect(!silent.log.contains("\"access\""))
        }
    }
}
