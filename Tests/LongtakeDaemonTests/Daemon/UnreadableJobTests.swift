import GRDB
import LongtakeDaemonDriver
import Testing

/// Jobs whose rows are damaged in a way that SQLite does not detect.
@Suite(.serialized) struct UnreadableJobTests {
    /// This test failed before damaged jobs were set aside: the daemon did not start. If only the
    /// running job was readable, its queue stood still.
    @Test("fails a job that cannot be read, without blocking startup, its queue or lists")
    func setAside() async throws {
        try await onOwnThread {
            let slow = try DaemonProcess("--speed", "0.1")
            let running = try slow.submit()
            let reader = try slow.follow(running)
            while let block = try reader.next(), block.event != "stage.started" {}
            slow.kill()
            let paused = try DaemonProcess(
                "--speed", "400", environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"], directory: slow.directory)
            let waiting = try paused.submit()
            let sound = try paused.submit()
            paused.kill()
            let database = try DatabaseQueue(path: slow.directory + "/data/longtake.db")
            try database.write {
                try $0.execute(
                    sql: """
                        UPDATE job SET definition = '{"name":' WHERE id = ?;
                        UPDATE job SET input = '{"prompt":' WHERE id = ?
                        """, arguments: [running, waiting])
            }
            try database.close()
            let daemon = try DaemonProcess("--speed", "400", directory: slow.directory)
            #expect(try daemon.wholeLog(of: sound).types.last == "job.succeeded")
            for id in [running, waiting] {
                let job = try daemon.get("/v1/jobs/\(id)").object()
                #expect(job["state"] as? String == "failed")
                #expect((job["error"] as? [String: Any])?["code"] as? String == "unreadable")
                #expect(try daemon.wholeLog(of: id).types.last == "job.failed")
                let retry = try daemon.request("POST", "/v1/jobs/\(id)/retry")
                #expect(retry.status == 409, "\(retry.body)")
            }
            let listed = try #require(try daemon.get("/v1/jobs").object()["jobs"] as? [Any])
            #expect(listed.count == 3)
            let metrics = try Exposition(try daemon.get("/metrics").body)
            #expect(metrics["longtake_jobs_unreadable_total"] == 2)
            #expect(daemon.log.contains("a job cannot be read and was set aside"))
            #expect(daemon.stop() == 0)
            let checked = try DaemonProcess.run(["check", "--data", slow.directory + "/data"])
            #expect(checked.status == 0 && checked.output.contains("set aside"), "\(checked.output)")
            #expect(checked.output.contains(running) && checked.output.contains(waiting))
        }
    }
}
