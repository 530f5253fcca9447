import Glibc
import LongtakeDaemonDriver
import Testing

/// Graceful shutdowns.
@Suite(.serialized) struct DrainTests {
    @Test("SIGTERM with open streams sends job.interrupted and stream.end, and the next boot resumes the job")
    func drainAndResume() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "20")
            let id = try daemon.submit()
            let readers = try (0..<5).map { _ in try daemon.follow(id) }
            for reader in readers {
                // The signal comes in the middle of a long stage. A stage that ends at that moment
                // succeeds and is not interrupted.
                while let block = try reader.next(),
                    block.data?.contains(#""stage":"frames","index":4,"of":8,"stage_p"#) != true
                {}
            }
            daemon.signal(SIGTERM)
            var log = JobLog()
            for reader in readers {
                let rest = try reader.rest()
                #expect(reader.endedCleanly)
                let end = try #require(rest.last)
                #expect(end.event == "stream.end")
                #expect(end.data == #"{"type":"stream.end","reason":"draining"}"#)
                #expect(end.id == nil)
                #expect((end.retry ?? 0) > 0)
                #expect(
                    rest.contains {
                        $0.event == "job.interrupted" && $0.data?.contains(#""reason":"shutdown""#) == true
                    })
                log = JobLog(rest)
            }
            #expect(daemon.wait(within: 10) == 0)
            let cursor = try #require(log.last)

            try daemon.start()
            let rest = JobLog(try daemon.follow(id, "", "Last-Event-ID: \(cursor)").rest())
            #expect(rest.types.first == "job.resumed")
            #expect(rest.lines[0].contains(#""reason":"restart""#))
            #expect(rest.types.last == "job.succeeded")
            let whole = try daemon.wholeLog(of: id)
            try whole.checkWhole()
            #expect(whole.lines.allSatisfy { !$0.contains(#""attempt":2"#) }, "a shutdown does not count as an attempt")
            #expect(daemon.stop() == 0)
            try DatabaseFile(daemon.directory + "/data").check()
        }
    }

    @Test("an idle daemon stops quickly, with SIGINT as with SIGTERM")
    func idleStop() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess()
            daemon.signal(SIGINT)
            #expect(daemon.wait(within: 10) == 0)
            try daemon.start()
            #expect(daemon.stop() == 0)
        }
    }

    /// This test failed with parts of fixed length (exit status 1).
    ///
    /// On a busy machine a second may be too short, so one of three shutdowns must be graceful.
    @Test("a shutdown within one second of grace is graceful, also with open connections and streams")
    func shortGrace() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(
                "--speed", "1",
                environment: ["LONGTAKE_SHUTDOWN_GRACE_SECONDS=1", "LONGTAKE_STREAM_HEARTBEAT_SECONDS=1"])
            let id = try daemon.submit()
            let slow = try daemon.connect()
            try slow.send("POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
            let readers = try (0..<100).map { _ in try daemon.follow(id) }
            for reader in readers { _ = try reader.next() }
            var status = daemon.stop()
            for _ in 1...2 where status != 0 {
                try daemon.start()
                let readers = try (0..<100).map { _ in try daemon.follow(id) }
                for reader in readers { _ = try reader.next() }
                status = daemon.stop()
            }
            #expect(status == 0)
            #expect(daemon.log.contains("\"stopped\""))
            try daemon.start()
            #expect(try daemon.get("/v1/jobs/\(id)").object()["state"] as? String == "running")
        }
    }

    @Test("a client that disconnects does not affect the job")
    func readerLeaves() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "100")
            let id = try daemon.submit()
            do {
                let reader = try daemon.follow(id)
                _ = try reader.next()
            }
            let log = try daemon.wholeLog(of: id)
            try log.checkWhole()
            #expect(log.types.last == "job.succeeded")
        }
    }

    /// This test failed without the check of `isDraining` in EventWaiter and in JobWait.
    @Test("during a shutdown, rejects jobs and streams, and answers all other requests without a wait")
    func draining() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: DaemonProcess.drained)
            let id = try daemon.submit()
            // There are so many streams that ending them takes seconds, so the daemon still runs
            // during the test.
            let readers = try daemon.beginDrain(before: 200, of: id)

            try daemon.checkRefusal(ofStreamsOf: id, reason: "draining", status: 503)
            for accept in ["application/json", "text/event-stream"] {
                let refused = try daemon.connect().exchange(RequestText.submission(accept: accept))
                #expect(
                    refused.status == 503 && refused["retry-after"] != nil,
                    "the daemon rejects the request with Retry-After")
            }
            #expect(try daemon.get("/readyz").status == 503)
            let tag = try #require(try daemon.get("/v1/jobs/\(id)")["etag"])
            for (path, field, status) in [
                ("/healthz", "", 200), ("/v1/jobs", "", 200), ("/v1/pipelines", "", 200), ("/v1/jobs/\(id)", "", 200),
                ("/v1/jobs/\(id)", "Prefer: wait=50", 200),
                ("/v1/jobs/\(id)", "Prefer: wait=50\r\nIf-None-Match: \(tag)", 304),
                ("/v1/jobs/\(id)/events?after=1&wait=50", "Accept: application/json", 200),
            ] {
                let answer = try daemon.get(path, field.isEmpty ? "X-A: 1" : field, within: 10)
                #expect(answer.status == status, "\(path) \(field)")
            }
            #expect(readers.contains { !$0.socket.hasBytes }, "all requests came during the shutdown")
            #expect(daemon.wait(within: 40) == 0)
        }
    }
}
