import LongtakeDaemonDriver
import Testing

extension FaultTests.Disks {
    /// A daemon has one thread for requests on each core. This test failed when these threads read
    /// the directory: `/healthz` did not respond.
    @Test("F5: requests about backups get 503 while the backup directory hangs, and all others continue", .tags(.slow))
    func hangingBackups() async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            let control = try FaultControl(directory: directory)
            let daemon = try DaemonProcess("--speed", "100", environment: control.environment, directory: directory)
            #expect(try daemon.get("/v1/backups").status == 200)
            control[.holdBackups] = 1
            let before = control[.held]
            let requests = (0..<40).map { _ in BlockingAnswer { try daemon.get("/v1/backups", within: 20) } }
            let deadline = Deadline(20)
            while control[.held] == before { try #require(!deadline.isOver, "the directory was not read within 20 s") }
            let id = try daemon.submit()
            #expect(try daemon.wholeLog(of: id).types.last == "job.succeeded")
            #expect(try daemon.get("/healthz", within: 2).status == 200)
            #expect(try daemon.get("/readyz", within: 2).status == 200)
            for request in requests {
                let answer = try request.wait(within: 20)
                #expect(answer.status == 503 && answer["retry-after"] != nil)
                #expect(answer.body.contains("urn:longtake:problem:backups-unanswered"), "\(answer.body)")
            }
            let begun = try daemon.post("/v1/backups", within: 10)
            #expect(begun.status == 503, "a new request does not wait for the call that hangs")
            control[.holdBackups] = 0
            let recovery = Deadline(20)
            while try daemon.get("/v1/backups").status != 200 { try #require(!recovery.isOver) }
            #expect(daemon.stop() == 0)
        }
    }
}
