import GRDB
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("rows of files and artifacts on SQLite")
struct FileTests {
    private let clock = ManualClock()
    private let scratch = ScratchDirectory()
    private let id = Samples.submission(1).id
    private let error = JobError(code: "stage_failed", message: "no", stage: nil)

    private func claim(_ journal: SQLiteJournal, _ queue: QueueName = Samples.cpu) async throws -> Claim {
        try #require(try await journal.claim(queue: queue, limit: 1).claims.first)
    }

    /// A job with a file, whose first stage runs and has registered two artifacts.
    private func begin(_ journal: SQLiteJournal, reports: Int = 1) async throws -> Claim {
        _ = try await journal.add(Samples.file(1, at: clock.now()), of: .anonymous, limit: 1_000)
        var submission = Samples.submission(1)
        submission.files = [FileReference(field: "image", source: .file(FileID(Samples.content(1).hash)))]
        _ = try await journal.submit(submission)
        let claim = try await claim(journal)
        for step in 1...reports {
            let share = Progress(Double(step) / Double(reports + 1))
            _ = try await journal.report(StageReport(progress: share, message: "half"), for: claim)
        }
        _ = try await journal.register(Samples.artifact("a", 11), for: claim)
        _ = try await journal.register(Samples.artifact("b", 12, .intermediate), for: claim)
        return claim
    }

    private func check(_ scratch: ScratchDirectory) throws {
        let found = try StorageInspector().inspect(directory: scratch.path)
        #expect(found.isSound && found.schemaAge == .current, "\(found.violations)")
    }

    /// The progress was lost when the registration did not store it in the row of the stage.
    @Test("after a crash artifacts, files and references are kept, and the next claim gets them and the checkpoint")
    func crash() async throws {
        let journal = try await scratch.open(clock)
        let lost = try await begin(journal)
        let crashed = try scratch.copy()
        try await journal.close()
        try check(crashed)
        let next = try await crashed.open(clock)
        #expect(try await next.register(Samples.artifact("c", 13), for: lost) == .lost)
        let claim = try await claim(next)
        #expect(
            claim.artifacts.map(\.artifact) == [Samples.artifact("a", 11), Samples.artifact("b", 12, .intermediate)])
        #expect(claim.files == ["image": InputFile(content: Samples.content(1), type: "image/png")])
        #expect(claim.checkpoint.progress == Progress(0.5) && claim.context.metadata == ["order": "1"])
        #expect(try await next.bytesOfFiles(of: .anonymous) == 100)
        _ = try await next.finish(claim, with: .succeeded(output: nil, artifacts: [Samples.artifact("d", 14, .result)]))
        try await next.close()
        try check(crashed)
    }

    @Test("a database of the previous version is migrated, and its retries keep the earlier bound")
    func migration() async throws {
        let journal = try await scratch.open(clock)
        for number in 1...2 { _ = try await journal.submit(Samples.submission(number)) }
        for _ in 1...2 {
            let claim = try await claim(journal)
            _ = try await journal.finish(claim, with: .retry(error: error, delay: .seconds(60)))
        }
        try await journal.close()
        try scratch.execute(ScratchDirectory.withoutFiles)
        let old = try StorageInspector().inspect(directory: scratch.path)
        #expect(old.isSound && old.schemaAge == .older, "\(old.violations)")
        try scratch.execute(
            "UPDATE stage SET due_at = due_at + 13000 WHERE job = (SELECT key FROM job WHERE id = '\(id)')")
        let next = try await scratch.open(clock)
        // One is due in 73 s, which is later than any delay of that version.
        #expect(try await claim(next).job == id)
        #expect(try await next.claim(queue: Samples.cpu, limit: 1).claims.isEmpty)
        _ = try await next.add(Samples.file(1, at: clock.now()), of: .anonymous, limit: 1_000)
        try await next.close()
        try check(scratch)
    }

    /// This test failed with the bound of all delays: the stage could be claimed at once.
    @Test("a delay of an hour ends after an hour, also after a restart, unless the wall clock was set back")
    func delay() async throws {
        var journal = try await scratch.open(clock)
        _ = try await journal.submit(Samples.submission(1))
        let first = try await claim(journal)
        _ = try await journal.finish(first, with: .retry(error: error, delay: .seconds(3600)))
        #expect(try await journal.claim(queue: Samples.cpu, limit: 1).claims.isEmpty)
        try await journal.close()
        clock.advance(by: .seconds(3599))
        journal = try await scratch.open(clock)
        #expect(try await journal.claim(queue: Samples.cpu, limit: 1).claims.isEmpty)
        clock.advance(by: .seconds(1))
        let second = try await claim(journal)
        #expect(second.attempt == 2)
        #expect(try journal.count("SELECT count(*) FROM stage WHERE delay IS NOT NULL") == 0)
        _ = try await journal.finish(second, with: .retry(error: error, delay: .seconds(3)))
        #expect(try await journal.claim(queue: Samples.cpu, limit: 1).claims.isEmpty)
        try await journal.close()
        // Now it is due in more than 3 s, so the wall clock was set back.
        try scratch.execute("UPDATE stage SET due_at = due_at + 1 WHERE due_at IS NOT NULL")
        journal = try await scratch.open(clock)
        #expect(try await claim(journal).attempt == 3)
        try await journal.close()
    }

    @Test("pruning frees the content of its jobs, in parts too", arguments: [9, 1_000])
    func pruning(_ rows: Int) async throws {
        let journal = try await scratch.open(clock)
        let claim = try await begin(journal, reports: 30)
        _ = try await journal.finish(claim, with: .failed(error))
        clock.advance(by: .seconds(60))
        let retention = Retention(age: .seconds(30), maxBytes: nil)
        _ = try await journal.prune(retention, at: clock.steady(), rows: rows)
        #expect(try journal.count("SELECT count(*) FROM artifact") == 0)
        let unused = try await journal.unusedContent(limit: 10)
        #expect(unused.map(\.hash) == [1, 11, 12].map { Samples.content($0).hash })
        for key in unused { #expect(try await journal.isUsed(key) == (key.hash == Samples.content(1).hash)) }
        while try await journal.prune(retention, at: clock.steady(), rows: rows).hasMore {}
        #expect(try journal.count("SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM input_file)") == 0)
        try await journal.close()
        try check(scratch)
    }

    @Test("expired rows are removed in parts")
    func parts() async throws {
        let journal = try await scratch.open(clock)
        let count = SQLiteLimits.expiredRowsPerTransaction + 1
        for number in 1...count {
            _ = try await journal.add(Samples.file(number, at: clock.now()), of: .anonymous, limit: .max)
        }
        clock.advance(by: Limits.fileLifetime)
        #expect(try await journal.removeExpired(intermediatesOfJobsEndedBefore: clock.steady()))
        #expect(try await journal.bytesOfFiles(of: .anonymous) == 100)
        #expect(try await !journal.removeExpired(intermediatesOfJobsEndedBefore: clock.steady()))
        #expect(try await journal.unusedContent(limit: 1_000).count == count)
        try await journal.close()
        try check(scratch)
    }

    @Test(
        "no query about files scans a table",
        arguments: [
            FileReader.fileQuery, FileReader.filesQuery, FileReader.bytesQuery, FileReader.inputFilesQuery,
            FileReader.retriedQuery, FileReader.artifactQuery, FileReader.usedQuery, JobLedger.makerQuery,
            JobLedger.referencedQuery, JobLedger.dueFilesQuery, JobLedger.endedQuery, JobLedger.workQuery,
            JobLedger.farQuery,
        ])
    func plans(_ sql: String) async throws {
        let journal = try await scratch.open(clock)
        let places = sql.contains("?1") ? 2 : sql.count { $0 == "?" }
        let plan = try journal.inspectWriter { db in
            try Row.fetchAll(
                db, sql: "EXPLAIN QUERY PLAN " + sql, arguments: StatementArguments(Array(repeating: 1, count: places))
            ).map { $0["detail"] as String }
        }
        for step in plan {
            #expect(!step.hasPrefix("SCAN") || step == "SCAN CONSTANT ROW", "\(plan)")
            #expect(!step.contains("TEMP B-TREE"), "\(plan)")
        }
        try await journal.close()
    }
}

extension ScratchDirectory {
    /// Changes a database into the version before files and artifacts.
    static let withoutFiles = """
        DROP TABLE file; DROP TABLE file_total; DROP TABLE input_file; DROP TABLE artifact; DROP TABLE unused_content;
        DROP INDEX stage_wait; ALTER TABLE stage DROP COLUMN delay; ALTER TABLE stage DROP COLUMN silent_crashes;
        DROP TABLE stage_history; DROP TABLE queue_history; DROP TABLE estimate_accuracy;
        DELETE FROM grdb_migrations WHERE identifier >= '8' OR identifier LIKE '10-%'
        """
}
