import Glibc
import LongtakeDaemonDriver
import Testing

/// F4 with a quota: the disk is full for this user only. SQLite reports an I/O error. From a COMMIT
/// that would be an unknown outcome.
extension FaultTests.Disks {
    /// This test failed without `CommitFailure.naming`: the daemon exited.
    @Test(
        "F4: while the quota is used up, new jobs get 503 as on a full disk; later the daemon continues by itself",
        .tags(.slow))
    func quota() async throws {
        try await Self.withDaemon { daemon, control in
            let id = try daemon.submit()
            control[.diskIsFull] = Int64(EDQUOT)
            try Self.eventually { try daemon.get("/readyz").status == 503 }
            let refused = try daemon.post("/v1/jobs", #"{"input":{"prompt":"no space"}}"#, within: 10)
            #expect(refused.status == 503 && refused["retry-after"] != nil)
            #expect(try daemon.get("/v1/jobs/\(id)").status == 200)
            control[.diskIsFull] = 0
            try Self.eventually { try daemon.get("/readyz").status == 200 }
            try Self.eventually { try daemon.get("/v1/jobs/\(id)").object()["state"] as? String == "succeeded" }
            #expect(daemon.stop() == 0)
        }
    }

    /// This test failed without `CommitFailure.naming`: the daemon exited with status 1 at this
    /// start, and would have exited at every later start.
    @Test(
        "F4: if the quota is used up at startup, the daemon serves the stored data and recovers when there is space",
        .tags(.slow), arguments: [FaultControl.Word.diskIsFull, .syncError])
    func quotaAtStart(_ word: FaultControl.Word) async throws {
        try await Self.withDaemon { daemon, control in
            let id = try daemon.submit()
            daemon.kill()
            control[word] = Int64(EDQUOT)
            if word == .syncError {
                control[.syncFailsFrom] = 1
                control[.syncFailures] = .max
            }
            try daemon.startWithoutWaiting()
            try Self.eventually { (try? daemon.get("/healthz").status) == 200 }
            // In this time the daemon checks for space several times.
            let spaceChecks = Deadline(3)
            while !spaceChecks.isOver { #expect(try daemon.get("/readyz").status == 503) }
            #expect(try daemon.get("/v1/jobs/\(id)").status == 200)
            #expect(try daemon.post("/v1/jobs", #"{"input":{"prompt":"no space"}}"#, within: 10).status == 503)
            control.calm()
            try Self.eventually { try daemon.get("/readyz").status == 200 }
            try Self.eventually { try daemon.get("/v1/jobs/\(id)").object()["state"] as? String == "succeeded" }
            #expect(daemon.stop() == 0)
        }
    }

    /// This test failed when the reserve did not report its error: the log lines and `readyz` said
    /// that the disk is full.
    @Test(
        "F4: if the reserve cannot be restored for another reason, the log lines and readyz name it", .tags(.slow))
    func reserveIsDirectory() async throws {
        try await Self.withDaemon { daemon, _ in
            #expect(daemon.stop() == 0)
            let reserve = daemon.directory + "/data/longtake.reserve"
            unlink(reserve)
            mkdir(reserve, 0o700)
            try daemon.startWithoutWaiting()
            try Self.eventually { (try? daemon.get("/healthz").status) == 200 }
            let answer = try daemon.get("/readyz")
            #expect(answer.status == 503 && answer.body.contains("longtake.reserve: Is a directory"), "\(answer.body)")
            #expect(!answer.body.contains(daemon.directory), "the response contains no path: \(answer.body)")
            #expect(daemon.log.contains("longtake.reserve: Is a directory"))
            rmdir(reserve)
            try Self.eventually { try daemon.get("/readyz").status == 200 }
            #expect(daemon.stop() == 0)
        }
    }

    private static func withDaemon(
        _ body: @escaping @Sendable (DaemonProcess, FaultControl) throws -> Void
    ) async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            let control = try FaultControl(directory: directory)
            try body(
                try DaemonProcess("--speed", "20", environment: control.environment, directory: directory), control)
        }
    }

    private static func eventually(_ condition: () throws -> Bool) throws {
        let deadline = Deadline(30)
        while try !condition() {
            try #require(!deadline.isOver)
            poll(nil, 0, 20)
        }
    }
}
