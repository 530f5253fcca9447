import LongtakeCore

extension JournalConformance {
    /// The holder is gone again and again while it has the stage.
    func endsCrashLoops() async throws {
        let journal = try await make(ManualClock())
        for number in 1...3 {
            _ = try await journal.submit(Samples.submission(number, pipeline: Samples.commandPipeline))
        }
        let simulated = Samples.submission(4)
        _ = try await journal.submit(simulated)
        let jobs = (1...3).map { Samples.submission($0).id }
        for crash in 1...CrashLoop.limit {
            let holder = HolderID(rawValue: 1_000 + Int64(crash))
            let claims = try await journal.claim(queue: Samples.cpu, limit: 10, for: holder).claims
            try expect(claims.count == 4, "a stage is resumed after \(crash - 1) crashes")
            for claim in claims where claim.job == jobs[1] && crash == 5 {
                _ = try await journal.report(StageReport(checkpointOnly: .integer(1)), for: claim)
            }
            for claim in claims where claim.job == jobs[2] && crash == 9 {
                _ = try await journal.register(Samples.artifact("frame.png", 1), for: claim)
            }
            try expect(try await journal.declareGone(holder) == 4, "all stages of a gone holder are recovered")
        }
        let failed = try await journal.job(jobs[0], of: .anonymous)
        try expect(failed?.state == .failed && failed?.error?.code == "crash_loop", "a silent command stage fails")
        for job in [jobs[1], jobs[2], simulated.id] {
            let state = try await journal.job(job, of: .anonymous)?.state
            try expect(state == .running, "a stage that has written something, or is simulated, goes on")
        }
        let last = try await journal.claim(queue: Samples.cpu, limit: 10).claims.map(\.job)
        try expect(!last.contains(jobs[0]) && last.count == 3, "a failed stage cannot be claimed")
        try await journal.close()
    }
}
