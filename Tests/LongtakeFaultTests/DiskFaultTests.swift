import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests {
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
            guard let status = site.daemon.wait(within: 20) else { throw DidNotDie() }
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

    /// F5. Where a stream's heartbeat or another request waits for the writer, one of the reads below comes too late: O7.
    @Test("F5: on a slow disk submissions are slow, and reads and streams are not held up", .tags(.slow))
    func slowDisk() async throws {
        let campaign = Campaign("F5", rounds: 3)
        try await campaign.run { site in
            site.rest(100...400)
            site.control[.syncDelay] = 400_000
            let before = site.control[.injected]
            // While a commit is on its way, which it is nearly always, a read is answered by a reader's connection.
            for _ in 0..<20 {
                let syncs = site.control[.syncs]
                let status = try site.daemon.get("/v1/jobs?limit=5").status
                if status != 200 { site.history.violated(.honesty, "a list was answered with \(status)") }
                // One that had waited for the disk would have seen two syncs begin.
                if site.control[.syncs] - syncs > 1 {
                    site.history.violated(.honesty, "a read waited while \(site.control[.syncs] - syncs) syncs went by")
                }
            }
            site.rest(800...1200)
            site.injections += Int(site.control[.injected] - before)
            site.control[.syncDelay] = 0
        }
    }
}
