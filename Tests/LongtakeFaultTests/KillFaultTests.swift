import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Processes {
    /// F1. Without the recovery at boot (JobLedger.recover) jobs stay `running` for ever: O4.
    @Test("F1: a daemon that is killed at random times under load loses nothing that it told", .tags(.slow))
    func killedAtRandom() async throws {
        try await Campaign("F1", rounds: 6).run { site in
            site.rest(50...900)
            site.kill()
            site.injections += 1
            try site.restart()
        }
    }

    /// What F1 cannot show, since the kernel keeps what a killed process wrote. With `synchronous = NORMAL` acknowledged jobs are gone: O1.
    @Test(
        "F1, power cut: what was never synced is lost, torn and out of order, and nothing that was told is",
        .tags(.slow))
    func powerCut() async throws {
        try await Campaign("F1 power cut", rounds: 6).run { site in
            site.rest(50...900)
            // Most of them in the middle of a write, to the log or, in a checkpoint, to the database.
            if site.generator.percent(40) {
                site.control[.killAtWrite] = site.control[.writes] + Int64(site.generator.draw(1...20))
            } else if site.generator.percent(60) {
                site.control[.killInCheckpoint] = Int64(site.generator.draw(1...40))
            }
            _ = site.daemon.wait(within: 3)
            if site.daemon.pid > 0 { site.daemon.kill() }
            site.expectKilled()
            site.control.calm()
            let cut = try site.control.cutPower(site.daemon.directory + "/data", using: &site.generator)
            if cut.atStake > 0 { site.injections += 1 }
            try site.restart()
        }
    }

    /// F2. Where the events are published before COMMIT, a reader has lines that are gone: O2.
    @Test("F2: it dies instead of the next sync, and of the one after it, and so on", .tags(.slow))
    func killedAtSync() async throws {
        try await Campaign("F2 sync", rounds: 8).run { site in
            site.control[.killAtSync] = site.control[.syncs] + Int64(site.round + 1)
            try site.awaitDeath()
        }
    }

    /// F2. The write is done by half, so the end of the write-ahead log is torn.
    @Test("F2: it dies in the middle of the next write, and of the one after it, and so on", .tags(.slow))
    func killedAtWrite() async throws {
        try await Campaign("F2 write", rounds: 8).run { site in
            site.control[.killAtWrite] = site.control[.writes] + Int64(site.round * site.generator.draw(1...4) + 1)
            try site.awaitDeath()
        }
    }

    /// The places that no timer hits. Where the callers are resumed before COMMIT, `beforeCommit` shows it: O1.
    @Test(
        "F1, crash points: before and after COMMIT, after publishing, after a claim", .tags(.slow),
        arguments: ["beforeCommit", "afterCommit", "afterPublishing", "afterClaim"])
    func crashPoint(_ point: String) async throws {
        try await Campaign("F1 \(point)", rounds: 5).run { site in
            _ = site.daemon.stop()
            // Another place of its life each time; the first ones come before it is ready.
            try site.daemon.startWithoutWaiting(["CRASH_POINT=\(point):\(site.generator.draw(1...60))"])
            try site.awaitDeath()
        }
    }

    /// A crash in the middle of the recovery from a crash, again and again.
    @Test("F1, crash points: in recovery", .tags(.slow))
    func crashInRecovery() async throws {
        try await Campaign("F1 inRecovery", rounds: 4).run { site in
            site.rest(300...900)
            site.kill()
            for number in 1...3 {
                // It dies before it is ready where so much was running; otherwise it lives, and is killed again.
                if (try? site.daemon.start("CRASH_POINT=inRecovery:\(number)")) == nil {
                    site.injections += 1
                    site.expectKilled()
                } else {
                    site.kill()
                }
            }
            try site.restart()
        }
    }
}

extension Campaign.Site {
    /// Waits until the fault that was set has killed the daemon, and starts it again without it.
    func awaitDeath() throws {
        guard daemon.wait(within: 20) != nil else { throw FaultTests.DidNotDie() }
        expectKilled()
        injections += 1
        control.calm()
        try restart()
    }
}
