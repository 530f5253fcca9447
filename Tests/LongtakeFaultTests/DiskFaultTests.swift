import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Disks {
    /// F3. Where a sync that failed is taken for one that did, jobs are told that the next life does not know: O1.
    @Test(
        "F3: a sync fails once, or for as long as the daemon lives: it tells nobody anything, ends, and recovers",
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
                // A checkpoint's sync: nothing depends on it, and the next one goes on.
                site.control.calm()
                if try site.daemon.get("/readyz").status != 200 {
                    site.history.violated(.honesty, "a checkpoint that failed left it unready")
                }
                return
            }
            // Outcome unknown: whoever starts it again is told by the status.
            if status != 1 { site.history.violated(.honesty, "after a failed sync it ended with \(status)") }
            if !site.daemon.log.contains("the disk failed") {
                site.history.violated(.honesty, "it did not say why it ended")
            }
            site.injections += 1
            site.control.calm()
            // The kernel may have thrown away what it could not sync.
            if site.generator.percent(50) {
                _ = try site.control.cutPower(site.daemon.directory + "/data", using: &site.generator)
            }
            try site.restart()
        }
    }

    /// F5, at its worst: no commit comes back. Where a read or a stream waits for the writer, it waits for ever: O7. Seen to fail with reads on
    /// the writer's connection.
    @Test("F5: while the disk does not answer, reads and streams do, and a submission waits", .tags(.slow))
    func heldDisk() async throws {
        try await Campaign("F5", rounds: 4).run { site in
            site.rest(200...600)
            let reader = try site.daemon.feed()
            let before = site.control[.held]
            site.control[.holdSyncs] = 1
            let deadline = Deadline(20)
            while site.control[.held] == before { try #require(!deadline.isOver, "a commit was under way") }
            for _ in 0..<20 {
                let status = try site.daemon.get("/v1/jobs?limit=5", "Connection: close").status
                if status != 200 { site.history.violated(.honesty, "a list was answered with \(status)") }
            }
            // A sign of life that was sent while nothing could be written.
            while try reader.next(within: 10)?.comments.isEmpty == true {}
            site.injections += 1
            site.control[.holdSyncs] = 0
        }
    }

    /// F5. Whoever waits to be written once the disk has not answered for a while is told so, and so is whoever comes later. Seen to fail without
    /// what `CommandQueue` rejects: the submission and the cancel that were queued got no answer.
    @Test("F5: a disk that does not answer for seconds makes the daemon unready, and new work is refused", .tags(.slow))
    func heldForLong() async throws {
        try await Campaign.repeated("F5, unready") {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            let control = try FaultControl(directory: directory)
            let daemon = try DaemonProcess(
                "--speed", "20", environment: control.environment, directory: directory)
            // A job with nothing left to write, so that what the disk holds is the submission.
            let id = try daemon.submit()
            let quiet = Deadline(20)
            while try daemon.post("/v1/jobs/\(id)/cancel", "", nil).status != 200 { try #require(!quiet.isOver) }
            let (first, deadline) = try Self.hold(control, daemon, "held")
            let queued = BlockingAnswer { try daemon.post("/v1/jobs", Self.body("queued"), nil, within: 20) }
            let cancel = BlockingAnswer { try daemon.post("/v1/jobs/\(id)/cancel", "", nil, within: 20) }
            // For a second it may go by a write that succeeded.
            let probe = BlockingAnswer {
                var answer = try daemon.get("/readyz", within: 20)
                while answer.status == 200, !deadline.isOver { answer = try daemon.get("/readyz", within: 20) }
                return answer
            }
            for answer in [try queued.wait(), try cancel.wait(), try probe.wait()] {
                #expect(answer.status == 503 && answer["retry-after"] != nil)
                #expect(answer.body.contains("urn:longtake:problem:cannot-persist"))
            }
            let refused = try daemon.post("/v1/jobs", Self.body("late"), nil)
            #expect(refused.status == 503 && refused["retry-after"] != nil)
            #expect(try daemon.post("/v1/jobs/\(id)/cancel", "", nil).status == 503)
            #expect(try daemon.get("/v1/jobs/\(id)").status == 200)
            control[.holdSyncs] = 0
            #expect(try first.wait().status == 201, "what was under way is answered when the disk is back")
            while (try? daemon.get("/readyz", within: 1).status) != 200 { try #require(!deadline.isOver) }
            let jobs = try daemon.get("/v1/jobs").body
            #expect(jobs.contains("held") && !jobs.contains("queued") && !jobs.contains("late"))
            #expect(daemon.log.contains("the disk does not answer"))
            while !daemon.log.contains("the disk answers again") { try #require(!deadline.isOver) }
        }
    }

    /// F5. Nobody knows how the commit ends, and its client is told just that. Seen to fail without `takeUnanswered` in `WriterWatchdog`: no answer.
    @Test("F5: what is under way on a disk that does not answer is answered after half a minute", .tags(.slow))
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
            let again = try daemon.post("/v1/jobs", Self.body("held"), "Idempotency-Key: one")
            #expect(again.status == 200 && again["idempotent-replayed"] == "true", "it went on")
        }
    }

    /// Makes the disk hold a submission.
    private static func hold(
        _ control: FaultControl, _ daemon: DaemonProcess, _ prompt: String, _ field: String? = nil
    ) throws -> (BlockingAnswer, Deadline) {
        let before = control[.held]
        control[.holdSyncs] = 1
        let first = BlockingAnswer { try daemon.post("/v1/jobs", body(prompt), field, within: 45) }
        let deadline = Deadline(60)
        while control[.held] == before { try #require(!deadline.isOver) }
        return (first, deadline)
    }

    private static func body(_ prompt: String) -> String { #"{"input":{"prompt":"\#(prompt)"}}"# }

    /// F4, as far as the shim goes; a file system that is really full has a test of its own. Seen to fail where ENOSPC from COMMIT is taken for an
    /// unknown outcome: the daemon ends.
    @Test(
        "F4: a disk that is full for a while: new work is refused, nothing is lost, and it goes on by itself",
        .tags(.slow))
    func fullDisk() async throws {
        try await Campaign("F4", rounds: 4).run { site in
            site.rest(200...600)
            site.control[.diskIsFull] = 1
            let deadline = Deadline(20)
            while try site.daemon.get("/readyz").status != 503 {
                try #require(!deadline.isOver, "it says that it is full")
            }
            let refused = try site.daemon.post("/v1/jobs", #"{"input":{"prompt":"no room"}}"#, nil)
            if refused.status != 503 || refused["retry-after"] == nil {
                site.history.violated(.honesty, "a submission to a full disk was answered with \(refused.status)")
            }
            site.rest(100...900)
            site.injections += 1
            site.control[.diskIsFull] = 0
            let room = Deadline(20)
            while try site.daemon.get("/readyz").status != 200 {
                if room.isOver { return site.history.violated(.goesOn, "there is room, and it does not say so") }
            }
        }
    }
}
