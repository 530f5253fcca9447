import GRDB
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("paused queues")
struct PauseTests {
    private let clock = ManualClock()
    private let scratch = ScratchDirectory()

    /// This test failed when a claim ignored the pause.
    @Test("a queue stays paused after a crash, and a resumed one stays resumed")
    func restart() async throws {
        let journal = try await scratch.open(clock)
        _ = try await journal.submit(Samples.submission(1))
        try await journal.pause(Samples.cpu)
        let crashed = try scratch.copy()
        try await journal.close()
        let next = try await crashed.open(clock)
        #expect(try await next.claim(queue: Samples.cpu, limit: 1).claims.isEmpty)
        #expect(
            try await next.queues(of: nil) == [QueueStatus(name: Samples.cpu, running: 0, waiting: 1, isPaused: true)])
        try await next.resume(Samples.cpu)
        try await next.close()
        #expect(try StorageInspector().inspect(directory: crashed.path).isSound)
        let last = try await crashed.open(clock)
        #expect(try await last.claim(queue: Samples.cpu, limit: 1).claims.count == 1)
        try await last.close()
    }

    @Test("a database of the previous version is migrated with its queues")
    func migration() async throws {
        let journal = try await scratch.open(clock)
        _ = try await journal.submit(Samples.submission(1))
        _ = try await journal.claim(queue: Samples.cpu, limit: 1)
        try await journal.close()
        try scratch.execute(
            """
            \(ScratchDirectory.withoutHolders);
            DROP TABLE deletion; ALTER TABLE queue DROP COLUMN paused; UPDATE queue SET virtual = 7;
            DELETE FROM grdb_migrations WHERE identifier >= '4'
            """)
        let next = try await scratch.open(clock)
        #expect(try next.count("SELECT virtual FROM queue WHERE name = 'cpu' AND paused = 0") == 7)
        try await next.pause(Samples.gpu)
        #expect(try next.count("SELECT count(*) FROM queue WHERE paused = 1") == 1)
        try await next.close()
        #expect(try StorageInspector().inspect(directory: scratch.path).schemaAge == .current)
    }

    @Test("the read of all queues uses indexes, so the length of a queue does not matter")
    func plans() async throws {
        let journal = try await scratch.open(clock)
        for (sql, index) in [(QueueReader.waitingQuery, "share_waiting"), (QueueReader.runningQuery, "stage_running")] {
            let plan = try journal.inspectWriter {
                try Row.fetchAll($0, sql: "EXPLAIN QUERY PLAN " + sql, arguments: [nil]).map { $0["detail"] as String }
            }
            #expect(plan.contains { $0.contains(index) }, "\(plan)")
        }
        try await journal.close()
    }
}
