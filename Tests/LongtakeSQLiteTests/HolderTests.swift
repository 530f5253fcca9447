import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("holders of claims on SQLite")
struct HolderTests {
    private let scratch = ScratchDirectory()

    @Test("a boot takes over the stages of the last boot, whose claims are lost")
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
        #expect(retried.checkpoint == .none, "a new attempt begins without a checkpoint")
        try await journal.close()
    }

    @Test("a gone holder gets no claims, and its stages return to their queues")
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

    /// This test failed when the inspection selected columns that such a database does not have: no
    /// backup of an earlier version could be checked or restored.
    @Test("a database of the previous version can be checked, restored and migrated, and its stages continue")
    func versionBefore() async throws {
        let journal = try await scratch.open()
        for number in 1...2 { _ = try await journal.submit(Samples.submission(number)) }
        let claim = try #require(try await journal.claim(queue: Samples.cpu, limit: 1).claims.first)
        _ = try await journal.report(StageReport(progress: Progress(0.5), message: "half"), for: claim)
        let crashed = try scratch.copy()
        try await journal.close()
        try crashed.execute(ScratchDirectory.withoutHolders)
        let old = try StorageInspector().inspect(directory: crashed.path)
        #expect(old.isSound && old.schemaAge == .older, "\(old.violations)")
        let restored = ScratchDirectory()
        _ = try StorageRestore(into: restored.path, clock: ManualClock()).run(
            crashed.database, replaces: false, inspector: StorageInspector())
        let next = try await restored.open()
        #expect(next.boot.recoveredStages == 1)
        let again = try #require(try await next.claim(queue: Samples.cpu, limit: 1).claims.first)
        #expect(again.job == claim.job && again.checkpoint.progress == Progress(0.5))
        _ = try await next.finish(again, with: .succeeded(output: nil))
        try await next.close()
        let found = try StorageInspector().inspect(directory: restored.path)
        #expect(found.isSound && found.schemaAge == .current, "\(found.violations)")
    }

    @Test("a stage gets the outputs of earlier stages")
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

extension ScratchDirectory {
    /// Changes a database into the version before holders and fences. A running stage has its
    /// holder's number as the token.
    static let withoutHolders = """
        \(withoutFiles);
        ALTER TABLE stage RENAME COLUMN holder TO token; ALTER TABLE stage DROP COLUMN fence;
        ALTER TABLE stage DROP COLUMN checkpoint_data; ALTER TABLE stage DROP COLUMN output;
        DELETE FROM grdb_migrations WHERE identifier >= '7'
        """
}
