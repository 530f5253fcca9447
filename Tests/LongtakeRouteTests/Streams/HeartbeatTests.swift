import LongtakeDaemonDriver
import Testing

/// Heartbeats at the interval that a client requests.
@Suite struct HeartbeatTests {
    private static let idle = "LONGTAKE_QUEUES_CPU_WORKERS=0"

    private static func submission(_ query: String) -> String {
        RequestText.submission(accept: "text/event-stream").replacing("/v1/jobs ", with: "/v1/jobs\(query) ")
    }

    /// Before the parameter existed, this test failed with 400 for an unknown parameter.
    @Test("each stream uses and reports the interval that its client requested")
    func interval() async throws {
        try await LocalDaemon.run(environment: [Self.idle, "LONGTAKE_STREAM_HEARTBEAT_SECONDS=100"]) { daemon in
            let id = try daemon.submit()
            let readers = [
                try daemon.follow(id, "?heartbeat_seconds=1"), try daemon.feed("?heartbeat_seconds=1"),
                try EventReader(daemon.connect(), Self.submission("?heartbeat_seconds=1")),
            ]
            for reader in readers {
                #expect(try reader.next()?.data?.hasSuffix(#""heartbeat_seconds":1}"#) == true)
                while let block = try reader.next(within: 20), block.raw != ": hb\n\n" {}
                #expect(!reader.socket.isAtEnd)
            }
            let lines = try daemon.connect()
            try lines.send(
                "GET /v1/jobs/\(id)/events?heartbeat_seconds=1 HTTP/1.0\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n"
            )
            _ = try lines.read(through: "\n\n", within: 20)
            #expect(!lines.isAtEnd)
            // Another client requests nothing, and a third one a longer interval.
            #expect(try daemon.follow(id).next()?.data?.hasSuffix(#""heartbeat_seconds":100}"#) == true)
            let long = try daemon.follow(id, "?heartbeat_seconds=300")
            #expect(try long.next()?.data?.hasSuffix(#""heartbeat_seconds":300}"#) == true)
        }
    }

    @Test("rejects an interval outside the limits and names the limits, on each route with streams")
    func bounds() async throws {
        try await LocalDaemon.run(environment: [Self.idle]) { daemon in
            let id = try daemon.submit()
            for path in ["/v1/jobs/\(id)/events", "/v1/events", "/v1/diagnostics/stream"] {
                for value in ["0", "41", "301", "-1", "1.5", "", "x"] {
                    let refused = try daemon.get("\(path)?heartbeat_seconds=\(value)")
                    #expect(refused.status == 400, "\(path) \(value)")
                    #expect(refused.body.contains("a whole number from 1 to 40"), "four times the default of 10 s")
                }
            }
            let before = try daemon.get("/v1/jobs").body
            let refused = try daemon.connect().exchange(Self.submission("?heartbeat_seconds=41"))
            #expect(refused.status == 400)
            // This holds also if the client requests the job and no stream. Fuzzing found it; the
            // status was 201.
            let plain = try daemon.post("/v1/jobs?heartbeat_seconds=301", #"{"input":{"prompt":"a boat"}}"#)
            #expect(plain.status == 400)
            #expect(try daemon.get("/v1/jobs").body == before, "nothing was submitted")
            #expect(try daemon.follow(id, "?heartbeat_seconds=40").head.status == 200)
        }
    }

    @Test("rejects an interval above 300 seconds for any setting")
    func longest() async throws {
        try await LocalDaemon.run(environment: [Self.idle, "LONGTAKE_STREAM_HEARTBEAT_SECONDS=300"]) { daemon in
            let id = try daemon.submit()
            #expect(try daemon.get("/v1/jobs/\(id)/events?heartbeat_seconds=301").body.contains("from 1 to 300"))
        }
    }

    /// Before the parameter existed, this test failed.
    @Test("a visible heartbeat contains the queue position only while the job waits")
    func position() async throws {
        try await LocalDaemon.run("--speed", "0.1") { daemon in
            #expect(try daemon.post("/v1/queues/cpu/pause").status == 200)
            let first = try daemon.submit()
            let second = try daemon.submit()
            func beat(_ position: Int? = nil) -> String {
                let member = position.map { ",\"queue_position\":\($0)" } ?? ""
                return "event: stream.heartbeat\ndata: {\"type\":\"stream.heartbeat\"\(member)}\n\n"
            }
            let reader = try daemon.follow(second, "?heartbeat=event&heartbeat_seconds=1")
            #expect(try reader.next(equalTo: beat(1)))
            #expect(try daemon.post("/v1/jobs/\(first)/cancel").status == 200)
            #expect(try reader.next(equalTo: beat(0)))
            let feed = try daemon.feed("?heartbeat=event&heartbeat_seconds=1")
            #expect(try feed.next(equalTo: beat()))
            let running = try daemon.follow(second, "?heartbeat=event&heartbeat_seconds=1")
            #expect(try daemon.post("/v1/queues/cpu/resume").status == 200)
            while let block = try running.next(), block.event != "stage.started" {}
            var block = try running.next()
            while let other = block, other.event != "stream.heartbeat" { block = try running.next() }
            #expect(block?.raw == beat())
        }
    }
}
