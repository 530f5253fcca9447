import Foundation
import LongtakeDaemonDriver
import Testing

extension FaultTests.Environment {
    /// F10. This test failed when durations and ages used the wall clock: a job of one second had a
    /// duration of a year, and the pruner removed it within seconds.
    @Test(
        "F10: setting the wall clock by a year changes no duration and prunes no job", .tags(.slow),
        arguments: [365, -365])
    func clockIsSet(_ days: Int) async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            let control = try FaultControl(directory: directory)
            let daemon = try DaemonProcess(
                "--speed", "100", environment: control.environment + ["LONGTAKE_STORAGE_RETENTION_HOURS=1"],
                directory: directory)
            let during = try daemon.submit()
            let reader = try daemon.follow(during)
            while let block = try reader.next(), block.event != "stage.started" {}
            control[.clockOffset] = Int64(days) * 86_400_000
            let log = JobLog(try reader.rest())
            #expect(log.types.last == "job.succeeded")
            let after = try daemon.submit()
            #expect(try daemon.wholeLog(of: after).types.last == "job.succeeded")
            // At startup the pruner looks for jobs to prune. Their ages continue from the previous
            // boot and do not depend on the wall clock.
            #expect(daemon.stop() == 0)
            try daemon.start()
            let kept = try #require(try daemon.get("/v1/jobs").object()["jobs"] as? [Any])
            #expect(kept.count == 2)
            control[.clockOffset] = 0
            let last = try daemon.submit()
            #expect(try daemon.wholeLog(of: last).types.last == "job.succeeded")
            for id in [during, after, last] {
                let events =
                    try daemon.get("/v1/jobs/\(id)/events", "Accept: application/json").object()["events"]
                    as? [[String: Any]]
                let durations = (events ?? []).compactMap { $0["duration_seconds"] as? Double }
                #expect(durations.count > 1 && durations.allSatisfy { (0..<60).contains($0) }, "\(durations)")
                let times = (events ?? []).compactMap { $0["at"] as? String }
                #expect(times.count > 5 && times == times.sorted())
                let job = try daemon.get("/v1/jobs/\(id)").object()
                let reported = ["created_at", "started_at", "finished_at"].compactMap { job[$0] as? String }
                #expect(reported.count == 3 && reported == reported.sorted(), "\(reported)")
            }
            #expect(daemon.stop() == 0)
            #expect(!daemon.log.contains("pruned finished jobs"))
            let jobs = try DaemonProcess.run(["check", "--data", directory + "/data", "--json"]).output
            #expect(try JSON.object(jobs)["jobs"] as? Double == 3)
        }
    }
}
