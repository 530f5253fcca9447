import Glibc
import LongtakeDaemonDriver
import Testing

extension FaultTests.Processes {
    /// F1. Without recovery at startup (`JobLedger.recoverFromEarlierBoots`), jobs stay `running`
    /// forever (O4).
    @Test("F1: kills at random times under load lose no acknowledged job and no streamed event", .tags(.slow))
    func killedAtRandom() async throws {
        try await Campaign("F1", rounds: 6).run { site in
            site.rest(50...900)
            site.kill()
            site.injections += 1
            try site.restart()
        }
    }

    /// A kill alone loses no writes, because the kernel keeps them. With `synchronous = NORMAL`,
    /// this test finds lost acknowledged jobs (O1).
    @Test(
        "F1, power cut: unsynced data is lost, torn or reordered, but no acknowledged job and no streamed event",
        .tags(.slow))
    func powerCut() async throws {
        try await Campaign("F1 power cut", rounds: 6).run { site in
            site.rest(50...900)
            // Most power cuts come in the middle of a write to the WAL, or of a checkpoint's write
            // to the database.
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

    /// F2. If the daemon publishes events before COMMIT, a reader has received lines that do not
    /// exist any more (O2).
    @Test("F2: a kill instead of the N-th sync loses no acknowledged job and no streamed event", .tags(.slow))
    func killedAtSync() async throws {
        try await Campaign("F2 sync", rounds: 8).run { site in
            site.control[.killAtSync] = site.control[.syncs] + Int64(site.round + 1)
            try site.restartAfterCrash()
        }
    }

    /// F2. Half of the write is done, so the end of the WAL is torn.
    @Test("F2: a kill in the middle of the N-th write loses no acknowledged job and no streamed event", .tags(.slow))
    func killedAtWrite() async throws {
        try await Campaign("F2 write", rounds: 8).run { site in
            site.control[.killAtWrite] = site.control[.writes] + Int64(site.round * site.generator.draw(1...4) + 1)
            try site.restartAfterCrash()
        }
    }

    /// A timer hardly ever hits these points. If the writer resumes its callers before COMMIT,
    /// `beforeCommit` finds it (O1).
    @Test(
        "F1, crash points: a crash before or after COMMIT, after publishing or after a claim loses nothing",
        .tags(.slow),
        arguments: ["beforeCommit", "afterCommit", "afterPublishing", "afterClaim"])
    func crashPoint(_ point: String) async throws {
        try await Campaign("F1 \(point)", rounds: 5).run { site in
            _ = site.daemon.stop()
            // Each round crashes at another time. Some crashes come before the daemon is ready.
            try site.daemon.startWithoutWaiting(["CRASH_POINT=\(point):\(site.generator.draw(1...60))"])
            try site.restartAfterCrash()
        }
    }

    /// The recovery from a crash crashes too, several times.
    @Test("F1, crash points: recovery works after a crash during recovery", .tags(.slow))
    func crashInRecovery() async throws {
        try await Campaign("F1 inRecovery", rounds: 4).run { site in
            site.rest(300...900)
            site.kill()
            for number in 1...3 {
                // If at least this many stages were running, the daemon crashes before it is ready.
                // Otherwise the test kills it.
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
    /// Waits until the injected fault has killed the daemon, and restarts it without the fault.
    func restartAfterCrash() throws {
        guard daemon.wait(within: 20) != nil else { throw FaultTests.NotKilled() }
        expectKilled()
        injections += 1
        control.calm()
        try restart()
    }
}
