import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("crash loops on SQLite")
struct CrashLoopTests {
    /// Each crash is a copy of the files of an open journal.
    @Test("counts crashes across boots, and begins again after a report")
    func boots() async throws {
        var scratch = ScratchDirectory()
        var journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1, pipeline: Samples.commandPipeline))
        _ = try await journal.submit(Samples.submission(2, pipeline: Samples.commandPipeline))
        for crash in 1...10 {
            let claims = try await journal.claim(queue: Samples.cpu, limit: 10).claims
            #expect(claims.count == 2, "crash \(crash)")
            for claim in claims where claim.job == Samples.submission(2).id && crash == 3 {
                let report = StageReport(progress: Progress(0.5), message: "half")
                #expect(try await journal.report(report, for: claim) == .goOn)
            }
            let crashed = try scratch.copy()
            try await journal.close()
            (scratch, journal) = (crashed, try await crashed.open())
            #expect(journal.boot.recoveredStages == 2)
        }
        let failed = try await journal.job(Samples.submission(1).id, of: .anonymous)
        #expect(failed?.state == .failed && failed?.error?.code == "crash_loop")
        #expect(try await journal.job(Samples.submission(2).id, of: .anonymous)?.state == .running)
        #expect(try await journal.claim(queue: Samples.cpu, limit: 10).claims.count == 1)
        try await journal.close()
    }
}
