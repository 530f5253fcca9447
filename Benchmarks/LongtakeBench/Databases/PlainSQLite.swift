import GRDB
import LongtakeCore
import LongtakeSQLite

/// Plain SQLite at the same work: the rows that the journal writes, in the journal's own tables with their indexes and checks, from values
/// that are worked out before the clock starts, through statements that are prepared once. One thread, no callers, no decisions.
struct BareRows {
    /// How much work a commit holds.
    let batch: @Sendable () -> Int

    /// Submissions: a row of `job`, of `stage` and of `event` for each, and the queue's share once a commit.
    func submits(in directory: String, for time: Duration) async throws -> Double {
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
            let samples = try BareSubmission.Constants()
            var number = 0
            return try rate(for: time, db) {
                (0..<batch()).map { _ in
                    number += 1
                    return BareSubmission(number)
                }
            } write: { (rows: [BareSubmission]) in
                for row in rows {
                    try job.run(
                        row.id, samples.tenant, samples.pipeline, samples.definition, row.input, samples.time)
                    let key = db.lastInsertedRowID
                    try stage.run(key, samples.queue, samples.tenant)
                    try event.run(key, 1, "job.queued", samples.time, samples.payload)
                }
                try share.run(samples.queue, samples.tenant, rows.count)
            }
        }
    }

    /// Reports: a row of `event` for each, of `stages` jobs in turn.
    func reports(of stages: Int, in directory: String, for time: Duration) async throws -> Double {
        try await makeJournal(in: directory, jobs: stages)
        let payloads = (0..<9_000).map { Samples.progress(Double($0) / 10_000).payload() }
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
        let journal = try await openJournal(directory)
        for number in 0..<jobs { _ = try await journal.submit(Samples.submission(number)) }
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

    /// How many rows' worth of work a second, counting only the time within the transactions.
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

/// What differs between the rows of two submissions.
private struct BareSubmission {
    let id: String
    let input: String

    init(_ number: Int) {
        id = Samples.submission(number).id.description
        input = #"{"prompt":"a paper boat in the rain, number \#(number)"}"#
    }

    /// What is the same in all.
    struct Constants {
        let tenant = TenantName.anonymous.description
        let queue = Samples.queue.description
        let pipeline = Samples.pipeline.name.description
        let time: Int64 = 1_795_000_000_000
        let definition: String
        let payload: String

        init() throws {
            definition = try JSONText.encode(Samples.pipeline)
            payload = JobStateMachine(pipeline: Samples.pipeline).submit(priority: .normal).events[0].payload()
        }
    }
}
