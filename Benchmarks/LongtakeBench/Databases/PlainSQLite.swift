import GRDB
import LongtakeCore
import LongtakeSQLite

/// Plain SQLite, doing the same work as the journal on one thread.
///
/// It writes the same rows into the journal's tables, with their indexes and checks. The values are
/// computed before the clock starts, and each statement is prepared once.
struct PlainSQLite {
    /// The number of submissions or reports in the next commit.
    let batch: @Sendable () -> Int

    /// Writes submissions. Each is a row of `job`, of `stage` and of `event`. Each commit also
    /// updates the row of `share`.
    /// - Returns: submissions per second.
    func submissionRate(in directory: String, for time: Duration) async throws -> Double {
        try await makeJournal(in: directory, jobs: 0)
        return try open(directory) { db in
            let job = try PreparedStatement(
                """
                INSERT INTO job (id, tenant, pipeline, definition, state, phase, stage_index, priority, input, metadata, created_at)
                VALUES (?, ?, ?, ?, 'queued', 'queued', 0, 0, ?, '{}', ?)
                """, db)
            let stage = try PreparedStatement(
                """
                INSERT INTO stage (job, number, queue, tenant, priority, state, attempt, checkpoint)
                VALUES (?, 0, ?, ?, 0, 'queued', 0, 0)
                """, db)
            let event = try PreparedStatement(Self.insertEvent, db)
            let share = try PreparedStatement(
                "INSERT INTO share VALUES (?, ?, 0, ?) ON CONFLICT DO UPDATE SET waiting = waiting + excluded.waiting",
                db)
            let constants = try SubmissionRow.Constants()
            var number = 0
            return try rate(for: time, db) {
                (0..<batch()).map { _ in
                    number += 1
                    return SubmissionRow(number)
                }
            } write: { (rows: [SubmissionRow]) in
                for row in rows {
                    try job.run(
                        row.id, constants.tenant, constants.pipeline, constants.definition, row.input, constants.time)
                    let key = db.lastInsertedRowID
                    try stage.run(key, constants.queue, constants.tenant)
                    try event.run(key, 1, "job.queued", constants.time, constants.payload)
                }
                try share.run(constants.queue, constants.tenant, rows.count)
            }
        }
    }

    /// Writes reports. Each is a row of `event`. `stages` jobs take turns.
    /// - Returns: reports per second.
    func reportRate(of stages: Int, in directory: String, for time: Duration) async throws -> Double {
        try await makeJournal(in: directory, jobs: stages)
        let payloads = (0..<9_000).map { SampleJob.progress(Double($0) / 10_000).payload() }
        return try open(directory) { db in
            let event = try PreparedStatement(Self.insertEvent, db)
            var number = 0
            return try rate(for: time, db) {
                defer { number += batch() }
                return Array(number..<number + batch())
            } write: { (rows: [Int]) in
                for row in rows {
                    try event.run(
                        1 + row % stages, 2 + row / stages, "stage.progress", 1_795_000_000_000 + row,
                        payloads[row % payloads.count])
                }
            }
        }
    }

    private static let insertEvent = "INSERT INTO event (job, seq, type, at, payload) VALUES (?, ?, ?, ?, ?)"

    private func makeJournal(in directory: String, jobs: Int) async throws {
        let journal = try await SQLiteJournal.openForBenchmark(directory)
        for number in 0..<jobs { _ = try await journal.submit(SampleJob.submission(number)) }
        try await journal.close()
    }

    private func open(_ directory: String, _ body: (Database) throws -> Double) throws -> Double {
        let queue = try DatabaseQueue(path: directory + "/longtake.db")
        defer { try? queue.close() }
        return try queue.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA synchronous = FULL")
            return try body(db)
        }
    }

    /// - Returns: elements of `Rows` per second. Only the time inside the transactions counts.
    private func rate<Rows: Collection>(
        for time: Duration, _ db: Database, prepare: () -> Rows, write: (Rows) throws -> Void
    ) throws -> Double {
        var (count, spent) = (0, Duration.zero)
        while spent < time {
            let rows = prepare()
            let begin = ContinuousClock.now
            try db.inTransaction(.immediate) {
                try write(rows)
                return .commit
            }
            spent += ContinuousClock.now - begin
            count += rows.count
        }
        return Double(count) / (spent / .seconds(1))
    }
}

/// The values that differ between the rows of two submissions.
private struct SubmissionRow {
    let id: String
    let input: String

    init(_ number: Int) {
        id = SampleJob.submission(number).id.description
        input = #"{"prompt":"a paper boat in the rain, number \#(number)"}"#
    }

    /// The values that are the same in all submissions.
    struct Constants {
        let tenant = TenantName.anonymous.description
        let queue = SampleJob.queue.description
        let pipeline = SampleJob.pipeline.name.description
        let time: Int64 = 1_795_000_000_000
        let definition: String
        let payload: String

        init() throws {
            definition = try JSONText.encode(SampleJob.pipeline)
            payload = JobStateMachine(pipeline: SampleJob.pipeline).submit(priority: .normal).events[0].payload()
        }
    }
}
