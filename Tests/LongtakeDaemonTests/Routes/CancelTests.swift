import LongtakeDaemonDriver
import Testing

/// Jobs that end without success: cancels and failures.
@Suite(.serialized) struct CancelTests {
    @Test("cancels a running job promptly and once; another cancel changes nothing")
    func cancelRunning() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess()
            let id = try daemon.submit()
            let reader = try daemon.follow(id)
            while let block = try reader.next(), block.event != "stage.started" {}
            let answer = try cancel(daemon, id)
            #expect(answer.status == 202)
            #expect(try answer.object()["cancel_requested"] as? Bool == true)
            let rest = JobLog(try reader.rest(within: 10))
            #expect(rest.types.suffix(2) == ["job.cancel_requested", "job.canceled"])
            let log = try daemon.wholeLog(of: id)
            try log.checkWhole()
            let again = try cancel(daemon, id)
            #expect(again.status == 200)
            #expect(try again.object()["state"] as? String == "canceled")
            #expect(try daemon.wholeLog(of: id).lines == log.lines)
        }
    }

    @Test("cancels a queued job at once")
    func cancelQueued() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"])
            let ids = try (0..<3).map { _ in try daemon.submit() }
            for (position, id) in ids.enumerated() {
                #expect(try daemon.get("/v1/jobs/\(id)").object()["queue_position"] as? Double == Double(position))
            }
            let answer = try cancel(daemon, ids[0])
            #expect(answer.status == 200)
            #expect(try answer.object()["state"] as? String == "canceled")
            #expect(try daemon.wholeLog(of: ids[0]).types == ["job.queued", "job.canceled"])
            #expect(try daemon.get("/v1/jobs/\(ids[1])").object()["queue_position"] as? Double == 0)
        }
    }

    @Test("retries a failed stage up to the limit")
    func retries() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "1000")
            let mended = try daemon.submit(faulty(#""fail_times":1,"fail_at":0.5"#))
            let lost = try daemon.submit(faulty(#""fail_times":9"#))
            let fatal = try daemon.submit(faulty(#""fatal":true"#))

            let mendedLog = try daemon.wholeLog(of: mended)
            try mendedLog.checkWhole()
            #expect(mendedLog.types.filter { $0 == "stage.retrying" }.count == 1)
            #expect(mendedLog.types.last == "job.succeeded")
            #expect(mendedLog.lines.contains { $0.contains(#""stage":"frames","index":4,"of":8,"attempt":2"#) })

            let lostLog = try daemon.wholeLog(of: lost)
            try lostLog.checkWhole()
            #expect(lostLog.types.filter { $0 == "stage.retrying" }.count == 2)
            #expect(lostLog.types.last == "job.failed")

            let fatalLog = try daemon.wholeLog(of: fatal)
            try fatalLog.checkWhole()
            #expect(!fatalLog.types.contains("stage.retrying"))
            let job = try daemon.get("/v1/jobs/\(fatal)").object()
            #expect(job["state"] as? String == "failed")
            let error = try #require(job["error"] as? [String: Any])
            #expect(error["code"] as? String == "stage_failed")
            #expect(error["stage"] as? String == "frames")
        }
    }

    private func faulty(_ members: String) -> String {
        #"{"input":{"prompt":"a boat"},"simulation":{"fail_stage":"frames",\#(members)}}"#
    }

    private func cancel(_ daemon: DaemonProcess, _ id: String) throws -> Exchange {
        try daemon.connect().exchange(
            "POST /v1/jobs/\(id)/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
    }
}
