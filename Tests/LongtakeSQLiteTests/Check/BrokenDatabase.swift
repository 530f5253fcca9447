import GRDB
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

/// A statement that violates one invariant of a sound database.
struct BrokenDatabase: CustomTestStringConvertible, Sendable {
    let invariant: Invariant
    let sql: String
    var isAboutAJob = true

    var testDescription: String { "\(invariant): \(sql)" }

    /// Five jobs: 1 succeeded, 2 waits, 3 runs with a report, 4 was canceled, 5 is suspended.
    static func sound() async throws -> ScratchDirectory {
        let scratch = ScratchDirectory()
        let clock = ManualClock()
        var journal = try await scratch.open(clock)
        try await journal.finishJob(1, reports: 4, key: "one")
        _ = try await journal.submit(Samples.submission(5))
        let suspended = try await journal.claim(queue: Samples.cpu, limit: 1).claims[0]
        _ = try await journal.report(StageReport(progress: Progress(0.5), message: "half"), for: suspended)
        _ = try await journal.finish(suspended, with: .interrupted(.shutdown))
        _ = try await journal.submit(Samples.submission(3, priority: 5))
        let running = try await journal.claim(queue: Samples.cpu, limit: 1).claims[0]
        _ = try await journal.report(StageReport(progress: Progress(0.25), message: "a quarter"), for: running)
        _ = try await journal.register(Samples.artifact("a", 1), for: running)
        _ = try await journal.add(Samples.file(2, at: clock.now()), of: .anonymous, limit: 1_000)
        _ = try await journal.submit(Samples.submission(2))
        _ = try await journal.submit(Samples.submission(4))
        _ = try await journal.cancel(Samples.submission(4).id, of: .anonymous)
        let crashed = try scratch.copy()
        try await journal.close()
        guard try StorageInspector().inspect(directory: crashed.path).isSound else { throw NotSound() }
        journal = try await crashed.open(clock)
        // The boot suspends job 3, and it runs again.
        _ = try await journal.claim(queue: Samples.cpu, limit: 1)
        let again = try crashed.copy()
        try await journal.close()
        return again
    }

    struct NotSound: Error {}

    func make(in scratch: ScratchDirectory) throws { try scratch.execute(sql) }

    private static func job(_ number: Int) -> String {
        "(SELECT key FROM job WHERE id = '\(Samples.submission(number).id)')"
    }

    private init(_ invariant: Invariant, _ sql: String, isAboutAJob: Bool = true) {
        self.invariant = invariant
        self.sql = sql
        self.isAboutAJob = isAboutAJob
    }

    static let all = [
        BrokenDatabase(.artifacts, "DELETE FROM artifact"),
        BrokenDatabase(.artifacts, "UPDATE artifact SET sha256 = '\(Samples.content(3).hash)'"),
        BrokenDatabase(.artifacts, "UPDATE artifact SET seq = seq - 1"),
        BrokenDatabase(.files, "UPDATE artifact SET tenant = 'other'"),
        BrokenDatabase(.files, "UPDATE file_total SET bytes = bytes + 1", isAboutAJob: false),
        BrokenDatabase(.positions, "INSERT INTO deletion VALUES ('anonymous', 999999)", isAboutAJob: false),
        BrokenDatabase(.foreignKeys, "DELETE FROM job WHERE key = \(job(2))", isAboutAJob: false),
        BrokenDatabase(.wholeLog, "DELETE FROM event WHERE job = \(job(1)) AND seq = 4"),
        BrokenDatabase(.wholeLog, "DELETE FROM event WHERE job = \(job(2))"),
        BrokenDatabase(.wholeLog, "UPDATE event SET type = 'stage.paused' WHERE job = \(job(3)) AND seq = 3"),
        BrokenDatabase(.wholeLog, "UPDATE event SET payload = '{\"progress\":' WHERE job = \(job(3)) AND seq = 3"),
        BrokenDatabase(.order, "UPDATE event SET type = 'job.cancel_requested' WHERE job = \(job(3)) AND seq = 2"),
        BrokenDatabase(
            .order,
            "UPDATE event SET payload = replace(payload, '\"index\":1', '\"index\":2') WHERE job = \(job(3)) AND seq = 3"
        ),
        BrokenDatabase(.oneEnd, "DELETE FROM event WHERE job = \(job(1)) AND type = 'job.succeeded'"),
        BrokenDatabase(.oneEnd, "UPDATE event SET type = 'job.failed' WHERE job = \(job(4)) AND seq = 2"),
        BrokenDatabase(
            .oneEnd,
            "INSERT INTO event (job, seq, type, at, payload) SELECT job, seq + 1, type, at, payload FROM event WHERE type = 'job.succeeded'"
        ),
        BrokenDatabase(
            .oneEnd, "UPDATE job SET state = 'running', phase = 'waiting', finished_at = NULL WHERE key = \(job(1))"),
        BrokenDatabase(.finishedAt, "UPDATE job SET finished_at = NULL WHERE key = \(job(1))"),
        BrokenDatabase(.jobIsFold, "UPDATE job SET state = 'queued', phase = 'queued' WHERE key = \(job(3))"),
        BrokenDatabase(.jobIsFold, "UPDATE job SET phase = 'waiting' WHERE key = \(job(3))"),
        BrokenDatabase(.jobIsFold, "UPDATE job SET stage_index = 1 WHERE key = \(job(2))"),
        BrokenDatabase(.jobIsFold, "UPDATE job SET started_at = NULL WHERE key = \(job(3))"),
        BrokenDatabase(
            .stageRows,
            "INSERT INTO stage SELECT job, 1, 'gpu', tenant, priority, 'queued', NULL, 0, NULL, 0, 5, NULL, NULL, 0, NULL, NULL, NULL, 0 FROM stage WHERE job = \(job(3))"
        ),
        BrokenDatabase(.stageRows, "DELETE FROM stage WHERE job = \(job(1)) AND number = 0"),
        BrokenDatabase(.stageRows, "UPDATE stage SET queue = 'gpu' WHERE job = \(job(3))"),
        BrokenDatabase(.stageRows, "UPDATE stage SET attempt = 2 WHERE job = \(job(5))"),
        BrokenDatabase(.stageRows, "UPDATE stage SET checkpoint = 0.75 WHERE job = \(job(5))"),
        BrokenDatabase(.fence, "UPDATE stage SET fence = fence + 100 WHERE job = \(job(3))"),
        BrokenDatabase(.fence, "UPDATE stage SET fence = 0 WHERE job = \(job(3))"),
        BrokenDatabase(
            .stageOnce,
            "UPDATE event SET payload = replace(payload, '\"index\":2', '\"index\":1') WHERE job = \(job(1)) AND type = 'stage.started'"
        ),
        BrokenDatabase(
            .stageOnce,
            "UPDATE event SET type = 'stage.started', payload = (SELECT payload FROM event WHERE job = \(job(3)) AND seq = 3) WHERE job = \(job(3)) AND seq = 4"
        ),
        BrokenDatabase(
            .progress,
            "UPDATE event SET payload = json_set(payload, '$.progress', 0.9) WHERE job = \(job(3)) AND seq = 2"),
        BrokenDatabase(
            .progress,
            "UPDATE event SET payload = json_set(payload, '$.progress', 1) WHERE job = \(job(3)) AND type = 'job.resumed'"
        ),
        BrokenDatabase(.readable, "UPDATE job SET input = '{\"prompt\":' WHERE key = \(job(2))"),
        BrokenDatabase(.readable, "UPDATE job SET definition = 'nonsense' WHERE key = \(job(2))"),
        BrokenDatabase(.waitingCount, "UPDATE share SET waiting = waiting + 1", isAboutAJob: false),
        BrokenDatabase(.waitingCount, "DELETE FROM share", isAboutAJob: false),
        BrokenDatabase(.idempotencyKey, "UPDATE idempotency SET tenant = 'b'"),
        BrokenDatabase(.positions, "UPDATE sqlite_sequence SET seq = 3 WHERE name = 'event'", isAboutAJob: false),
        BrokenDatabase(.positions, "INSERT OR REPLACE INTO meta VALUES ('pruned_through', '1000')", isAboutAJob: false),
        BrokenDatabase(.meta, "UPDATE meta SET value = 'nonsense' WHERE name = 'epoch'", isAboutAJob: false),
        BrokenDatabase(.meta, "DELETE FROM meta WHERE name = 'boot'", isAboutAJob: false),
    ]
}

extension ScratchDirectory {
    /// Changes the database without the daemon and without checking its constraints.
    func execute(_ sql: String) throws {
        var settings = Configuration()
        settings.foreignKeysEnabled = false
        let queue = try DatabaseQueue(path: database, configuration: settings)
        try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA ignore_check_constraints = 1; \(sql)") }
        try queue.close()
    }
}
