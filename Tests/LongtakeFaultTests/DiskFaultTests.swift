import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Disks {
    /// F3. If the daemon treats a failed sync as a successful one, it acknowledges jobs that the
    /// next process does not find (O1).
    @Test(
        "F3: if a sync fails, the daemon acknowledges nothing, exits with 1, and recovers at the next start",
        .tags(.slow))
    func syncFails() async throws {
        try await Campaign("F3", rounds: 5).run { site in
            site.rest(50...600)
            let first = site.control[.syncs] + Int64(site.generator.draw(1...6))
            site.control[.syncFailures] = site.generator.percent(50) ? 1 : .max
            site.control[.syncFailsFrom] = first
            let before = site.control[.injected]
            while site.control[.injected] == before, site.daemon.wait(within: 0.05) == nil {}
            guard let status = site.daemon.lastStatus(within: 5) else {
                // The sync was that of a checkpoint. No response depends on it, and the next
                // checkpoint continues.
                site.control.calm()
                if try site.daemon.get("/readyz").status != 200 {
                    site.history.violated(.honesty, "the daemon is not ready after a failed checkpoint")
                }
                return
            }
            // The outcome of the commit is unknown. The exit status makes the service manager
            // restart the daemon.
            if status != 1 { site.history.violated(.honesty, "the daemon exited with \(status) after a failed sync") }
            if !site.daemon.log.contains("the disk failed") {
                site.history.violated(.honesty, "the log lines do not say why the daemon exited")
            }
            site.injections += 1
            site.control.calm()
            // The kernel may have dropped the data that it could not sync.
            if site.generator.percent(50) {
                _ = try site.control.cutPower(site.daemon.directory + "/data", using: &site.generator)
            }
            try site.restart()
        }
    }

    /// F5, the worst case: no commit returns. A read or a stream that waited for the writer would
    /// wait forever (O7). This test failed when reads used the writer's connection.
    @Test("F5: while the disk does not answer, reads and streams continue, and a submission waits", .tags(.slow))
    func heldDisk() async throws {
        try await Campaign("F5", rounds: 4).run { site in
            site.rest(200...600)
            let reader = try site.daemon.feed()
            let before = site.control[.held]
            site.control[.holdSyncs] = 1
            let deadline = Deadline(20)
            while site.control[.held] == before { try #require(!deadline.isOver, "no commit began within 20 s") }
            for _ in 0..<20 {
                let status = try site.daemon.get("/v1/jobs?limit=5", "Connection: close").status
                if status != 200 { site.history.violated(.honesty, "a request for a list got \(status)") }
            }
            // Waits for a heartbeat. The daemon sends it while the disk does not answer.
            while try reader.next(within: 10)?.comments.isEmpty == true {}
            site.injections += 1
            site.control[.holdSyncs] = 0
        }
    }

    /// F5. If the disk has not answered for some seconds, the daemon rejects the waiting commands
    /// and all new ones. This test failed when `CommandQueue` rejected no waiting commands: the
    /// queued submission and the queued cancel got no response.
    @Test(
        "F5: if the disk does not answer for seconds, the daemon is not ready and rejects new jobs and cancels",
        .tags(.slow))
    func heldForLong() async throws {
        try await Campaign.repeated("F5, unready") {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            let control = try FaultControl(directory: directory)
            let daemon = try DaemonProcess(
                "--speed", "20", environment: control.environment, directory: directory)
            // The job is canceled first, so that it writes no more. Then the commit that the disk
            // holds is that of the submission.
            let id = try daemon.submit()
            let canceling = Deadline(20)
            while try daemon.post("/v1/jobs/\(id)/cancel", within: 10).status != 200 { try #require(!canceling.isOver) }
            let (first, deadline) = try Self.hold(control, daemon, "held")
            let queued = BlockingAnswer { try daemon.post("/v1/jobs", Self.body("queued"), within: 20) }
            let cancel = BlockingAnswer { try daemon.post("/v1/jobs/\(id)/cancel", within: 20) }
            // A successful write of the probe counts for one second.
            let probe = BlockingAnswer {
                var answer = try daemon.get("/readyz", within: 20)
                while answer.status == 200, !deadline.isOver { answer = try daemon.get("/readyz", within: 20) }
                return answer
            }
            for answer in [try queued.wait(), try cancel.wait(), try probe.wait()] {
                #expect(answer.status == 503 && answer["retry-after"] != nil)
                #expect(answer.body.contains("urn:longtake:problem:cannot-persist"))
            }
            let refused = try daemon.post("/v1/jobs", Self.body("late"), within: 10)
            #expect(refused.status == 503 && refused["retry-after"] != nil)
            #expect(try daemon.post("/v1/jobs/\(id)/cancel", within: 10).status == 503)
            #expect(try daemon.get("/v1/jobs/\(id)").status == 200)
            control[.holdSyncs] = 0
            #expect(try first.wait().status == 201, "the submission in the commit succeeds when the disk answers again")
            while (try? daemon.get("/readyz", within: 1).status) != 200 { try #require(!deadline.isOver) }
            let jobs = try daemon.get("/v1/jobs").body
            #expect(jobs.contains("held") && !jobs.contains("queued") && !jobs.contains("late"))
            #expect(daemon.log.contains("the disk does not answer"))
            while !daemon.log.contains("the disk answers again") { try #require(!deadline.isOver) }
        }
    }

    /// F5. The outcome of the commit is unknown, and the response says so. This test failed without
    /// `takeUnanswered` in `WriterWatchdog`: the client got no response.
    @Test("F5: a submission in a commit that does not return gets 503 outcome-unknown after 30 seconds", .tags(.slow))
    func heldForGood() async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            let control = try FaultControl(directory: directory)
            let daemon = try DaemonProcess(
                "--speed", "20", environment: control.environment, directory: directory)
            let (first, deadline) = try Self.hold(control, daemon, "held", "Idempotency-Key: one")
            let answer = try first.wait()
            #expect(answer.status == 503 && answer["retry-after"] != nil)
            #expect(answer.body.contains("outcome-unknown") && answer.body.contains("not known whether"))
            control[.holdSyncs] = 0
            while (try? daemon.get("/readyz", within: 1).status) != 200 { try #require(!deadline.isOver) }
            let again = try daemon.post("/v1/jobs", Self.body("held"), "Idempotency-Key: one", within: 10)
            #expect(again.status == 200 && again["idempotent-replayed"] == "true", "the commit succeeded later")
        }
    }

    /// Submits a job, and makes the disk hold its commit.
    private static func hold(
        _ control: FaultControl, _ daemon: DaemonProcess, _ prompt: String, _ fields: String...
    ) throws -> (BlockingAnswer, Deadline) {
        let before = control[.held]
        control[.holdSyncs] = 1
        let first = BlockingAnswer { try daemon.exchange("POST", "/v1/jobs", fields, body: body(prompt), within: 45) }
        let deadline = Deadline(60)
        while control[.held] == before { try #require(!deadline.isOver) }
        return (first, deadline)
    }

    private static func body(_ prompt: String) -> String { #"{"input":{"prompt":"\#(prompt)"}}"# }

    /// F4 with ENOSPC from the shim. `fullFileSystem` uses a file system that is really full. This
    /// test failed when ENOSPC from COMMIT counted as an unknown outcome: the daemon exited.
    @Test(
        "F4: while the disk is full, new jobs get 503; later the daemon continues by itself, and no data is lost",
        .tags(.slow))
    func fullDisk() async throws {
        try await Campaign("F4", rounds: 4).run { site in
            site.rest(200...600)
            site.control[.diskIsFull] = 1
            let deadline = Deadline(20)
            while try site.daemon.get("/readyz").status != 503 {
                try #require(!deadline.isOver, "readyz did not report the full disk within 20 s")
            }
            let refused = try site.daemon.post("/v1/jobs", #"{"input":{"prompt":"no space"}}"#, within: 10)
            if refused.status != 503 || refused["retry-after"] == nil {
                site.history.violated(.honesty, "a submission on a full disk got \(refused.status)")
            }
            site.rest(100...900)
            site.injections += 1
            site.control[.diskIsFull] = 0
            let recovery = Deadline(20)
            while try site.daemon.get("/readyz").status != 200 {
                if recovery.isOver {
                    return site.history.violated(.progress, "the disk has space, but the daemon is not ready")
                }
            }
        }
    }
}
