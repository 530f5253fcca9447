import LongtakeDaemonDriver
import Testing

extension FaultTests.Disks {
    /// A daemon has as many threads for requests as cores. Seen to fail where the directory was read on them: /healthz did not answer.
    @Test("a backup directory that hangs is answered with 503, and everything else goes on", .tags(.slow))
    func hangingBackups() async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            let control = try FaultControl(directory: directory)
            let daemon = try DaemonProcess("--speed", "100", environment: control.environment, directory: directory)
            #expect(try daemon.get("/v1/backups").status == 200)
            control[.holdBackups] = 1
            let before = control[.held]
            let asked = (0..<40).map { _ in BlockingAnswer { try daemon.get("/v1/backups", within: 20) } }
            let deadline = Deadline(20)
            while control[.held] == before { try #require(!deadline.isOver, "the directory is asked for") }
            let id = try daemon.submit()
            #expect(try daemon.wholeLog(of: id).types.last == "job.succeeded")
            #expect(try daemon.get("/healthz", within: 2).status == 200)
            #expect(try daemon.get("/readyz", within: 2).status == 200)
            for answer in asked {
                let answer = try answer.wait(within: 20)
                #expect(answer.status == 503 && answer["retry-after"] != nil)
                #expect(answer.body.contains("urn:longtake:problem:backups-unanswered"), "\(answer.body)")
            }
            let begun = try daemon.post("/v1/backups", "", nil, within: 10)
            #expect(begun.status == 503, "behind a call that hangs, nobody waits")
            control[.holdBackups] = 0
            let room = Deadline(20)
            while try daemon.get("/v1/backups").status != 200 { try #require(!room.isOver) }
            #expect(daemon.stop() == 0)
        }
    }
}
