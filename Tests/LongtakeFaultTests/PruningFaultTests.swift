import GRDB
import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Processes {
    /// F1. If the pruner deletes the event log in an earlier transaction than the job, a crash
    /// leaves a job without an event log (O6).
    @Test("F1, crash points: after a crash in pruning, each job is complete or gone", .tags(.slow))
    func crashInPruning() async throws {
        try await Campaign.repeated("F1, pruning") {
            let daemon = try DaemonProcess("--speed", "2000", environment: ["LONGTAKE_STORAGE_RETENTION_HOURS=1"])
            var logs: [String: [String]] = [:]
            for _ in 0..<8 {
                let id = try daemon.submit()
                logs[id] = try daemon.wholeLog(of: id).lines
            }
            #expect(daemon.stop() == 0)
            let old = Set(logs.keys.sorted().prefix(4))
            try Self.age(old, in: daemon.directory + "/data/longtake.db")
            for number in 1...old.count {
                try daemon.startWithoutWaiting(["CRASH_POINT=inPruning:\(number)"])
                #expect(daemon.wait(within: 20) == 128 + SIGKILL)
                let (status, output) = try DaemonProcess.run(["check", "--data", daemon.directory + "/data"])
                #expect(status == 0, "\(output)")
            }
            try daemon.start()
            let deadline = Deadline(20)
            while try daemon.get("/v1/jobs?limit=50", "Connection: close").object()["jobs"].map({ "\($0)" })?
                .contains(old.first ?? "") ?? true
            { try #require(!deadline.isOver, "the due jobs were not removed within 20 s") }
            for (id, log) in logs {
                #expect(try daemon.get("/v1/jobs/\(id)").status == (old.contains(id) ? 404 : 200))
                if !old.contains(id) { #expect(try daemon.wholeLog(of: id).lines == log) }
            }
            #expect(daemon.stop() == 0)
            let (status, output) = try DaemonProcess.run(["check", "--data", daemon.directory + "/data"])
            #expect(status == 0, "\(output)")
        }
    }

    /// Moves all times of some jobs back by two hours.
    private static func age(_ jobs: Set<String>, in path: String) throws {
        let database = try DatabaseQueue(path: path)
        try database.write { db in
            for job in jobs {
                for sql in [
                    "UPDATE event SET at = at - 7200000 WHERE job = (SELECT key FROM job WHERE id = ?)",
                    "UPDATE job SET created_at = created_at - 7200000, started_at = started_at - 7200000, finished_at = finished_at - 7200000 WHERE id = ?",
                ] { try db.execute(sql: sql, arguments: [job]) }
            }
        }
        try database.close()
    }
}
