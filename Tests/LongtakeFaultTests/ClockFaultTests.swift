import Foundation
import LongtakeDaemonDriver
import Testing

extension FaultTests.Surroundings {
    /// F10. Seen to fail with durations and ages of the wall clock: a job of a second was told as a year, and was pruned within seconds.
    @Test(
        "F10: a clock that is set by a year changes no duration and prunes nothing", .tags(.slow),
        arguments: [365, -365])
    func clockIsSet(_ days: Int) async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            let control = try FaultControl(directory: directory)
            let daemon = try DaemonProcess(
                "--speed", "100", environment: control.environment + ["LONGTAKE_STORAGE_RETENTION_HOURS=1"],
                directory: directory)
            let through = try daemon.submit()
            let reader = try daemon.follow(through)
            while let block = try reader.next(), block.event != "stage.started" {}
            control[.clockOffset] = Int64(days) * 86_400_000
            let log = JobLog(try reader.rest())
            #expect(log.types.last == "job.succeeded")
            let after = try daemon.submit()
            #expect(try daemon.wholeLog(of: after).types.last == "job.succeeded")
            // A start looks for jobs to prune. Its ages go on from the boot before, whatever the wall clock says.
            #expect(daemon.stop() == 0)
            try daemon.start()
            let kept = try #require(try daemon.get("/v1/jobs").object()["jobs"] as? [Any])
            #expect(kept.count == 2)
            control[.clockOffset] = 0
            let last = try daemon.submit()
            #expect(try daemon.wholeLog(of: last).types.last == "job.succeeded")
            for id in [through, after, last] {
                let events =
                    try daemon.get("/v1/jobs/\(id)/events", "Accept: application/json").object()["events"]
                    as? [[String: Any]]
                let durations = (events ?? []).compactMap { $0["duration_seconds"] as? Double }
                #expect(durations.count > 1 && durations.allSatisfy { (0..<60).contains($0) }, "\(durations)")
                let times = (events ?? []).compactMap { $0["at"] as? String }
                #expect(times.count > 5 && times == times.sorted())
                let job = try daemon.get("/v1/jobs/\(id)").object()
                let jobTimes = ["created_at", "started_at", "finished_at"].compactMap { job[$0] as? String }
                #expect(jobTimes.count == 3 && jobTimes == jobTimes.sorted(), "\(jobTimes)")
            }
            #expect(daemon.stop() == 0)
            #expect(!daemon.log.contains("pruned finished jobs"))
            let jobs = try DaemonProcess.run(["check", "--data", directory + "/data", "--json"]).output
            #expect(try JSON.object(jobs)["jobs"] as? Double == 3)
        }
    }
}
