import Glibc
import LongtakeDaemonDriver
import Testing

/// The daemon on a disk with less free space than `storage.min_free_gigabytes`.
@Suite(.serialized) struct DiskFloorTests {
    /// More than any disk has.
    private static let floor = "LONGTAKE_STORAGE_MIN_FREE_GIGABYTES=100000"

    @Test("runs no commands and says so, runs simulated stages, and goes on when there is space")
    func waits() async throws {
        try await onOwnThread {
            let site = try CommandSite()
            let daemon = try site.start(Self.floor)
            let job = try site.submit(daemon)
            let simulated = try daemon.submit("{}")
            #expect(try site.finished(simulated, daemon)["state"] as? String == "succeeded")
            let waiting = try daemon.get("/v1/jobs/\(job)").object()
            #expect(waiting["state"] as? String == "queued" && waiting["waiting_for"] as? String == "disk")
            #expect(try !daemon.get("/v1/jobs").body.contains("waiting_for"), "lists leave it out")
            #expect(try daemon.get("/readyz").body.contains("Uploads are rejected, and commands wait."))
            #expect(daemon.log.contains("storage.min_free_gigabytes; uploads are rejected and commands wait"))
            #expect(daemon.stop() == 0)

            let again = try site.start("LONGTAKE_STORAGE_MIN_FREE_GIGABYTES=0")
            let done = try site.finished(job, again)
            #expect(done["state"] as? String == "succeeded", "\(done)")
            #expect(done.keys.contains("waiting_for") && !(done["waiting_for"] is String))
            #expect(try !again.get("/readyz").body.contains("Uploads"))
        }
    }

    @Test("warns in readyz that commands run without confinement")
    func sandbox() async throws {
        try await onOwnThread {
            let site = try CommandSite()
            let daemon = try site.start("LONGTAKE_COMMANDS_SANDBOX=off")
            #expect(
                try daemon.get("/readyz").body.contains(
                    "Commands run without confinement, because commands.sandbox is off."))
        }
    }
}
