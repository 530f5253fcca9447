import Glibc
import LongtakeDaemonDriver
import Testing

/// The disk becomes full while the daemon runs (fault F4).
@Suite(.serialized) struct FullDiskTests {
    @Test(
        "on a full disk the daemon rejects new jobs, finishes running ones, restarts and recovers",
        .enabled(if: SmallDisk.Kind.available.contains(.tmpfs)))
    func full() async throws {
        try await onOwnThread {
            let disk = try SmallDisk(.tmpfs, megabytes: 24)
            let daemon = try DaemonProcess("--speed", "1", directory: disk.path)
            let running = try daemon.submit()
            let reader = try daemon.follow(running)
            while let block = try reader.next(), block.event != "stage.started" {}
            disk.fill()
            let refused = try #require(try Self.submitUntilRefused(daemon))
            #expect(refused.status == 503 && refused["retry-after"] != nil, "\(refused.body)")
            #expect(refused.body.contains("urn:longtake:problem:cannot-persist"))
            // A successful check is cached for one second.
            try Self.eventually { try daemon.get("/readyz").status == 503 }
            #expect(try daemon.get("/healthz").status == 200)
            #expect(try daemon.get("/v1/jobs/\(running)").status == 200)

            // The released reserve has space for the cancel request and the final event.
            let cancel = "POST /v1/jobs/\(running)/cancel HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
            #expect(try daemon.connect().exchange(cancel, within: 10).status < 300)
            #expect(JobLog(try reader.rest(within: 10)).types.last == "job.canceled")

            // After a kill the daemon starts without being able to write, and serves the stored
            // data.
            daemon.kill()
            disk.fill()
            try daemon.startWithoutWaiting()
            try Self.eventually { (try? daemon.get("/healthz").status) == 200 }
            #expect(try daemon.get("/readyz").status == 503)
            try daemon.wholeLog(of: running).checkWhole()
            let refusedAgain = try daemon.connect().exchange(RequestText.submission())
            #expect(refusedAgain.status == 503)

            disk.makeRoom()
            try Self.eventually { try daemon.get("/readyz").status == 200 }
            _ = try daemon.submit()
            #expect(daemon.stop() == 0)
            let checked = try DaemonProcess.run(["check", "--data", disk.path + "/data"])
            #expect(checked.status == 0, "\(checked.output)")
        }
    }

    private static func submitUntilRefused(_ daemon: DaemonProcess) throws -> Exchange? {
        let body = "{\"input\":{\"prompt\":\"\(String(repeating: "x", count: 1_900))\"}}"
        let deadline = Deadline(60)
        while !deadline.isOver {
            let answer = try daemon.connect().exchange(RequestText.submission(body))
            if answer.status != 201 { return answer }
        }
        return nil
    }

    private static func eventually(_ condition: () throws -> Bool) throws {
        let deadline = Deadline(20)
        while try !condition() {
            try #require(!deadline.isOver)
            poll(nil, 0, 20)
        }
    }
}
