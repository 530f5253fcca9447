import LongtakeDaemonDriver
import Testing

/// What bounds a stream besides its job's end.
@Suite(.serialized) struct StreamLimitTests {
    @Test("at the cap a browser is told to come back, everyone else gets a status, and a submit still counts")
    func cap() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: ["LONGTAKE_STREAM_MAX_STREAMS=1"])
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

            let submit = try EventReader(daemon.connect(), DaemonProcess.submission(accept: "text/event-stream"))
            #expect(submit.head.status == 201)
            #expect(submit.head["location"] != nil)
            #expect(try submit.rest().map(\.event) == ["stream.end"])

            // A reader that leaves gives its place back.
            reader = nil
            let deadline = Deadline(10)
            while try daemon.follow(id).head.status != 200 { try #require(!deadline.isOver) }
        }
    }

    @Test("a stream that is old enough ends with a word, and its reader resumes")
    func maxAge() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "10", environment: ["LONGTAKE_STREAM_MAX_AGE_SECONDS=1"])
            let id = try daemon.submit()
            let first = try daemon.follow(id).rest()
            #expect(first.last?.data == #"{"type":"stream.end","reason":"max_age"}"#)
            let cursor = try #require(JobLog(first).last)
            let second = JobLog(try daemon.follow(id, "", "Last-Event-ID: \(cursor)").rest())
            try second.checkDense(from: JobLog(first).lines.count + 1)
        }
    }

    @Test("a quiet stream says that it is alive, in each format")
    func heartbeats() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(
                environment: ["LONGTAKE_STREAM_HEARTBEAT_SECONDS=1", "LONGTAKE_QUEUES_CPU_WORKERS=0"])
            let id = try daemon.submit()
            let comments = try daemon.follow(id)
            #expect(try comments.next()?.data?.contains(#""heartbeat_seconds":1}"#) == true)
            #expect(try comments.next()?.event == "job.queued")
            #expect(try comments.next()?.raw == ": hb\n\n")
            let events = try daemon.follow(id, "?heartbeat=event")
            _ = try events.next()
            _ = try events.next()
            let beat = try #require(try events.next())
            #expect(
                beat.raw == "event: stream.heartbeat\ndata: {\"type\":\"stream.heartbeat\",\"queue_position\":0}\n\n")
        }
    }

    @Test("a stop ends a page that waits, with its answer")
    func drainWakesPages() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"])
            let id = try daemon.submit()
            // Both in one write: when the first is answered, the second has been taken on.
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
