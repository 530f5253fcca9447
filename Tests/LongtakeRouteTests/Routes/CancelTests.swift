import LongtakeDaemonDriver
import Testing

/// Jobs that end without success: cancels and failures.
@Suite struct CancelTests {
    @Test("cancels a running job promptly and once; another cancel changes nothing")
    func cancelRunning() async throws {
        // Slow, so that the first stage still runs when a busy machine sends the cancel.
        try await LocalDaemon.run("--speed", "0.1") { daemon in
            let id = try daemon.submit()
            let reader = try daemon.follow(id)
            while let block = try reader.next(), block.event != "stage.started" {}
            let answer = try daemon.post("/v1/jobs/\(id)/cancel")
            #expect(answer.status == 202)
            #expect(try answer.object()["cancel_requested"] as? Bool == true)
            let rest = JobLog(try reader.rest(within: 10))
            #expect(rest.types.suffix(2) == ["job.cancel_requested", "job.canceled"])
            let log = try daemon.wholeLog(of: id)
            try log.checkWhole()
            let again = try daemon.post("/v1/jobs/\(id)/cancel")
            #expect(again.status == 200)
            #expect(try again.object()["state"] as? String == "canceled")
            #expect(try daemon.wholeLog(of: id).lines == log.lines)
        }
    }

    @Test("cancels a queued job at once")
    func cancelQueued() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            let ids = try (0..<3).map { _ in try daemon.submit() }
            for (position, id) in ids.enumerated() {
                #expect(try daemon.get("/v1/jobs/\(id)").object()["queue_position"] as? Double == Double(position))
            }
            let answer = try daemon.post("/v1/jobs/\(ids[0])/cancel")
            #expect(answer.status == 200)
            #expect(try answer.object()["state"] as? String == "canceled")
            #expect(try daemon.wholeLog(of: ids[0]).types == ["job.queued", "job.canceled"])
            #expect(try daemon.get("/v1/jobs/\(ids[1])").object()["queue_position"] as? Double == 0)
        }
    }

    // `EngineTests` has the limit of attempts and the delays.
    @Test("retries a stage whose failure is not fatal")
    func retries() async throws {
        try await LocalDaemon.run("--speed", "1000") { daemon in
            let mended = try daemon.submit(faulty(#""fail_times":1,"fail_at":0.5"#))
            let fatal = try daemon.submit(faulty(#""fatal":true"#))

            let mendedLog = try daemon.wholeLog(of: mended)
            try mendedLog.checkWhole()
            #expect(mendedLog.types.filter { $0 == "stage.retrying" }.count == 1)
            #expect(mendedLog.types.last == "job.succeeded")
            #expect(mendedLog.lines.contains { $0.contains(#""stage":"frames","index":4,"of":8,"attempt":2"#) })

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
}
