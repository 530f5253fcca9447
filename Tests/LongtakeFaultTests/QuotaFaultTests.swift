import Glibc
import LongtakeDaemonDriver
import Testing

/// F4 where the room ends for this user alone. SQLite calls that an I/O error, which from a COMMIT would be an unknown outcome.
extension FaultTests.Disks {
    /// Seen to fail without `CommitFailure.naming`: the daemon ended.
    @Test("F4: a quota that is used up is a full disk: new work is refused, and it goes on by itself", .tags(.slow))
    func quota() async throws {
        try await Self.underControl { daemon, control in
            let id = try daemon.submit()
            control[.diskIsFull] = Int64(EDQUOT)
            try Self.eventually { try daemon.get("/readyz").status == 503 }
            let refused = try daemon.post("/v1/jobs", #"{"input":{"prompt":"no room"}}"#, nil)
            #expect(refused.status == 503 && refused["retry-after"] != nil)
            #expect(try daemon.get("/v1/jobs/\(id)").status == 200)
            control[.diskIsFull] = 0
            try Self.eventually { try daemon.get("/readyz").status == 200 }
            try Self.eventually { try daemon.get("/v1/jobs/\(id)").object()["state"] as? String == "succeeded" }
            #expect(daemon.stop() == 0)
        }
    }

    /// Seen to fail without `CommitFailure.naming`: the start ended with status 1, and so would each that follows.
    @Test(
        "F4: a start where a write, or a sync, is over the quota serves what is stored, and begins when there is room",
        .tags(.slow), arguments: [FaultControl.Word.diskIsFull, .syncError])
    func quotaAtStart(_ word: FaultControl.Word) async throws {
        try await Self.underControl { daemon, control in
            let id = try daemon.submit()
            daemon.kill()
            control[word] = Int64(EDQUOT)
            if word == .syncError {
                control[.syncFailsFrom] = 1
                control[.syncFailures] = .max
            }
            try daemon.startWithoutWaiting()
            try Self.eventually { (try? daemon.get("/healthz").status) == 200 }
            // Over some looks for room.
            let looks = Deadline(3)
            while !looks.isOver { #expect(try daemon.get("/readyz").status == 503) }
            #expect(try daemon.get("/v1/jobs/\(id)").status == 200)
            #expect(try daemon.post("/v1/jobs", #"{"input":{"prompt":"no room"}}"#, nil).status == 503)
            control.calm()
            try Self.eventually { try daemon.get("/readyz").status == 200 }
            try Self.eventually { try daemon.get("/v1/jobs/\(id)").object()["state"] as? String == "succeeded" }
            #expect(daemon.stop() == 0)
        }
    }

    /// Seen to fail where the reserve said only that it could not be kept: the log and `readyz` spoke of a full disk.
    @Test("F4: where the reserve cannot be kept for another reason, the log and readyz name it", .tags(.slow))
    func reserveInTheWay() async throws {
        try await Self.underControl { daemon, _ in
            #expect(daemon.stop() == 0)
            let reserve = daemon.directory + "/data/longtake.reserve"
            unlink(reserve)
            mkdir(reserve, 0o700)
            try daemon.startWithoutWaiting()
            try Self.eventually { (try? daemon.get("/healthz").status) == 200 }
            let answer = try daemon.get("/readyz")
            #expect(answer.status == 503 && answer.body.contains("longtake.reserve: Is a directory"), "\(answer.body)")
            #expect(!answer.body.contains(daemon.directory), "strangers are told no path: \(answer.body)")
            #expect(daemon.log.contains("longtake.reserve: Is a directory"))
            rmdir(reserve)
            try Self.eventually { try daemon.get("/readyz").status == 200 }
            #expect(daemon.stop() == 0)
        }
    }

    private static func underControl(
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
