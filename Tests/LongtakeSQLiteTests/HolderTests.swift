import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("holders of claims on SQLite")
struct HolderTests {
    private let scratch = ScratchDirectory()

    @Test("a boot takes over from the one before, and what that one claimed is lost")
    func boots() async throws {
        var journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1))
        let first = try #require(try await journal.claim(queue: Samples.cpu, limit: 1).claims.first)
        let report = StageReport(progress: Progress(0.5), message: "half", checkpoint: .object(["frame": .integer(7)]))
        #expect(try await journal.report(report, for: first) == .goOn)
        let crashed = try scratch.copy()
        try await journal.close()
        journal = try await crashed.open()
        #expect(journal.holder != first.holder && journal.boot.recoveredStages == 1)
        #expect(try await journal.report(report, for: first) == .lost)
        await #expect(throws: JournalError.notOwner) {
            try await journal.finish(first, with: .succeeded(output: nil))
        }
        let next = try #require(try await journal.claim(queue: Samples.cpu, limit: 1).claims.first)
        #expect(next.holder == journal.holder && next.id.fence > first.id.fence)
        #expect(next.checkpoint == Checkpoint(progress: Progress(0.5), data: .object(["frame": .integer(7)])))
        let error = JobError(code: "stage_failed", message: "no", stage: next.stage.name)
        _ = try await journal.finish(next, with: .retry(error: error, delay: .zero))
        let retried = try #require(try await journal.claim(queue: Samples.cpu, limit: 1).claims.first)
        #expect(retried.checkpoint == .none, "a new attempt begins without it")
        try await journal.close()
    }

    @Test("a holder that was declared gone gets no claims, and its stages are put back")
    func gone() async throws {
        let journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1))
        let worker = HolderID(rawValue: 99)
        let lost = try #require(try await journal.claim(queue: Samples.cpu, limit: 1, for: worker).claims.first)
        #expect(try await journal.beat(worker) == .held)
        #expect(try await journal.declareGone(worker) == 1)
        #expect(try await journal.declareGone(worker) == 0)
        #expect(try await journal.beat(worker) == .gone)
        #expect(try await journal.beat(journal.holder) == .held)
        await #expect(throws: JournalError.notOwner) {
            try await journal.claim(queue: Samples.cpu, limit: 1, for: worker)
        }
        let next = try #require(try await journal.claim(queue: Samples.cpu, limit: 1).claims.first)
        #expect(next.job == lost.job && next.id.fence > lost.id.fence)
        try await journal.close()
    }

    @Test("a stage is given what the earlier ones gave back")
    func outputs() async throws {
        let journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1))
        let first = try #require(try await journal.claim(queue: Samples.cpu, limit: 1).claims.first)
        _ = try await journal.finish(first, with: .succeeded(output: .string("frames")))
        let second = try #require(try await journal.claim(queue: Samples.gpu, limit: 1).claims.first)
        #expect(first.outputs.isEmpty && second.outputs == [first.stage.name: .string("frames")])
        try await journal.close()
        let found = try StorageInspector().inspect(directory: scratch.path)
        #expect(found.isSound, "\(found.violations)")
    }
}
