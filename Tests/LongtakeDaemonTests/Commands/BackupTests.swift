import FoundationEssentials
import LongtakeDaemonDriver
import Testing

/// How an operator makes and restores backups.
@Suite(.serialized) struct BackupTests {
    /// This test failed when the copy kept its epoch: the daemon accepted the old cursor, and the
    /// client missed changed events.
    @Test("continues the jobs of a restored backup, and sends stream.reset to clients with old cursors")
    func restore() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "4")
            let ids = try (0..<3).map { _ in try daemon.submit() }
            let reader = try daemon.follow(ids[0])
            while let block = try reader.next(), block.event != "stage.progress" {}
            let begun = try daemon.post("/v1/backups")
            #expect(begun.status == 202)
            let location = try #require(begun["location"])
            let backup = try Self.done(daemon, location)
            #expect(backup["state"] as? String == "done")
            let path = try #require(backup["path"] as? String)
            #expect(path.hasPrefix(daemon.directory + "/data/backups/backup-"))
            // The backup does not contain later events.
            let cursor = try #require(try reader.next()?.id)
            let later = try daemon.submit()
            daemon.kill()

            let other = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(other) }
            let (status, output) = try DaemonProcess.run(["restore", path, "--data", other + "/data"])
            #expect(status == 0 && output.contains("Restored 3 jobs"), "\(output)")
            let again = try DaemonProcess.run(["restore", path, "--data", other + "/data"])
            #expect(again.status == 1 && again.output.contains("--replace"), "\(again.output)")

            let restored = try DaemonProcess("--speed", "400", directory: other)
            #expect(try restored.get("/v1/jobs/\(later)").status == 404)
            let back = try restored.follow(ids[0], "", "Last-Event-ID: \(cursor)")
            let first = try (0..<3).compactMap { _ in try back.next() }
            #expect(first.map(\.event) == ["stream.hello", "stream.reset", "job.snapshot"])
            #expect(first[1].data?.contains("\"reason\":\"epoch\"") == true, "\(first[1].raw)")
            for id in ids { try restored.wholeLog(of: id).checkWhole() }
            #expect(restored.stop() == 0)
            let checked = try DaemonProcess.run(["check", "--data", other + "/data"])
            #expect(checked.status == 0, "\(checked.output)")
        }
    }

    private static func done(_ daemon: DaemonProcess, _ location: String) throws -> [String: Any] {
        let deadline = Deadline(20)
        while true {
            let backup = try daemon.get(location).object()
            if backup["state"] as? String != "running" || deadline.isOver { return backup }
        }
    }
}
