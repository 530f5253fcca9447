import LongtakeDaemonDriver
import Testing

/// Limits on streams: their number, their age and a shutdown.
@Suite struct StreamLimitTests {
    @Test("at the limit, a browser gets a retry time, other clients get a status, and a submission still succeeds")
    func cap() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_STREAM_MAX_STREAMS=1"]) { daemon in
            let id = try daemon.submit()
            var reader: EventReader? = try daemon.follow(id)
            _ = try reader?.next()

            let browser = try daemon.follow(id, "", "Accept: text/event-stream")
            #expect(browser.head.status == 200)
            let blocks = try browser.rest()
            #expect(blocks.map(\.event) == ["stream.end"])
            #expect(blocks.first?.data == #"{"type":"stream.end","reason":"limit"}"#)
            #expect((blocks.first?.retry ?? 0) > 0)
            #expect(browser.endedCleanly)

            let other = try daemon.get("/v1/jobs/\(id)/events")
            #expect(other.status == 429)
            #expect(other["retry-after"] != nil)

            let submit = try EventReader(daemon.connect(), RequestText.submission(accept: "text/event-stream"))
            #expect(submit.head.status == 201)
            #expect(submit.head["location"] != nil)
            #expect(try submit.rest().map(\.event) == ["stream.end"])

            // A client that disconnects frees its slot.
            reader = nil
            let deadline = Deadline(10)
            while try daemon.follow(id).head.status != 200 { try #require(!deadline.isOver) }
        }
    }

    @Test("a stream that reaches its maximum age ends with stream.end, and its client resumes")
    func maxAge() async throws {
        try await LocalDaemon.run("--speed", "10", environment: ["LONGTAKE_STREAM_MAX_AGE_SECONDS=1"]) { daemon in
            let id = try daemon.submit()
            let first = try daemon.follow(id).rest()
            #expect(first.last?.data == #"{"type":"stream.end","reason":"max_age"}"#)
            let cursor = try #require(JobLog(first).last)
            let second = JobLog(try daemon.follow(id, "", "Last-Event-ID: \(cursor)").rest())
            try second.checkDense(from: JobLog(first).lines.count + 1)
        }
    }

    @Test("a stream without events sends heartbeats in each format")
    func heartbeats() async throws {
        try await LocalDaemon.run(
            environment: ["LONGTAKE_STREAM_HEARTBEAT_SECONDS=1", "LONGTAKE_QUEUES_CPU_WORKERS=0"]
        ) { daemon in
            let id = try daemon.submit()
            let comments = try daemon.follow(id)
            #expect(try comments.next()?.data?.contains(#""heartbeat_seconds":1}"#) == true)
            #expect(try comments.next()?.event == "job.queued")
            #expect(try comments.next()?.raw == ": hb\n\n")
            let events = try daemon.follow(id, "?heartbeat=event")
            _ = try events.next()
            _ = try events.next()
            let beat = "event: stream.heartbeat\ndata: {\"type\":\"stream.heartbeat\",\"queue_position\":0}\n\n"
            #expect(try events.next(equalTo: beat))
        }
    }

    @Test("a shutdown ends a waiting page with a response")
    func drainWakesPages() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            let id = try daemon.submit()
            // Both requests are in one write. When the first is answered, the second has been
            // accepted.
            let waiting = try daemon.connect()
            try waiting.send(
                "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
                    + "GET /v1/jobs/\(id)/events?after=1&wait=50 HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n"
            )
            #expect(try waiting.readResponse().status == 200)
            #expect(daemon.stop() == 0)
            let answer = try waiting.readResponse(within: 10)
            #expect(answer.status == 200)
            #expect(answer.body.hasPrefix(#"{"events":[],"#))
        }
    }
}
