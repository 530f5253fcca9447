import GRDB
import Logging
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("deleting jobs")
struct DeletionTests {
    private let clock = ManualClock()
    private let scratch = ScratchDirectory()
    private let never = Retention(age: nil, maxBytes: nil)

    /// This test failed when the soft delete kept the key.
    @Test("a deleted job is soft-deleted at once, and its rows are removed in parts, also after a crash")
    func slices() async throws {
        let journal = try await scratch.open(clock)
        try await journal.finishJob(1, reports: 100, key: "k")
        try await journal.finishJob(2)
        try await journal.delete(Samples.submission(1).id, of: .anonymous)
        // The command removes no events, so it takes as long as for a job with few.
        #expect(try journal.count("SELECT count(*) FROM event") == 114)
        let crashed = try scratch.copy()
        try await journal.close()
        #expect(try StorageInspector().inspect(directory: crashed.path).isSound)
        let next = try await crashed.open(clock)
        #expect(try await next.job(Samples.submission(1).id, of: .anonymous) == nil)
        #expect(try await next.submit(Samples.submission(3, key: "k")).job?.id == Samples.submission(3).id)
        var slices = 0
        while try await next.prune(never, at: clock.now(), rows: 20).hasMore { slices += 1 }
        #expect(slices >= 5)
        #expect(try next.count("SELECT count(*) FROM job") == 2)
        #expect(try next.count("SELECT count(*) FROM event") == 8)
        #expect(try next.count("SELECT count(*) FROM event WHERE job NOT IN (SELECT key FROM job)") == 0)
        try await next.close()
        #expect(try StorageInspector().inspect(directory: crashed.path).isSound)
    }

    /// This test failed when nothing was recorded for the tenant.
    @Test("when one tenant deletes a job, no feed reader of another tenant misses events")
    func others() async throws {
        let journal = try await scratch.open(clock)
        let (mine, other) = (Samples.submission(1), TenantName(unchecked: "other"))
        _ = try await journal.submit(Samples.submission(2, tenant: "other"))
        _ = try await journal.submit(mine)
        _ = try await journal.cancel(mine.id, of: .anonymous)
        try await journal.delete(mine.id, of: .anonymous)
        for _ in 1...2 {
            for (tenant, through) in [(TenantName.anonymous, Int64(3)), (other, 0)] {
                let page = try await journal.events(FeedQuery(tenant: tenant, after: .beforeFirst))
                #expect(page.prunedThrough.rawValue == through)
            }
            while try await journal.prune(never, at: clock.now()).hasMore {}
        }
        #expect(try journal.count("SELECT count(*) FROM job") == 1)
        try await journal.close()
    }

    /// This test failed when the pruner did not observe deletions.
    @Test("the pruner checks when a job was deleted, even without a retention limit")
    func pruner() async throws {
        let journal = try await scratch.open(clock)
        for number in 1...2 { try await journal.finishJob(number, reports: 50) }
        try await journal.delete(Samples.submission(1).id, of: .anonymous)
        let pruner = Pruner(
            journal: journal, retention: never, clock: ContinuousClock(), wallClock: clock, rows: 20,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        // Unstructured: it runs beside the test, which cancels it.
        let running = Task { await pruner.run() }
        // It checks at its start, and then waits forever.
        try await until { try journal.count("SELECT count(*) FROM job") <= 1 }
        try await journal.delete(Samples.submission(2).id, of: .anonymous)
        try await until { try journal.count("SELECT count(*) FROM job") == 0 }
        #expect(try journal.count("SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM event)") == 0)
        running.cancel()
        await running.value
        try await journal.close()
    }
}
