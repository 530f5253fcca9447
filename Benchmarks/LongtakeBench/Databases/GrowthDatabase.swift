import GRDB
import LongtakeCore
import LongtakeSQLite

/// A database as after years of use: up to millions of finished jobs.
///
/// One job runs through the journal. SQL statements then copy it with its stages, its event log and
/// its idempotency key. A third of the copies have failed, so that a list can select failed jobs.
struct GrowthDatabase: Sendable {
    let directory: String
    let jobs: Int
    let eventsPerJob: Int

    private static let copiesPerTransaction = 20_000

    /// - Parameter progress: receives the number of jobs after each transaction.
    func fill(progress: @escaping @Sendable (Int) -> Void) async throws {
        try await runOriginal()
        // The journal is closed, so this is the only connection.
        let queue = try DatabaseQueue(path: directory + "/longtake.db")
        try await queue.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA synchronous = OFF")
            try db.execute(sql: "PRAGMA cache_size = -1000000")
            let seconds = 7 * 86_400 / Double(max(1, jobs))
            for first in stride(from: 1, to: jobs, by: Self.copiesPerTransaction) {
                let last = min(first + Self.copiesPerTransaction, jobs) - 1
                try db.inTransaction {
                    for sql in Self.copies {
                        try db.execute(
                            sql:
                                "WITH RECURSIVE copy (n) AS (VALUES (:first) UNION ALL SELECT n + 1 FROM copy WHERE n < :last) "
                                + sql,
                            arguments: ["first": first, "last": last, "apart": Int(seconds * 1000)])
                    }
                    return .commit
                }
                progress(last + 1)
            }
        }
        try queue.close()
    }

    /// Runs the first job from its submission to its end.
    private func runOriginal() async throws {
        let clock = BenchClock()
        let journal = try await SQLiteJournal.openForBenchmark(directory, clock: clock)
        _ = try await journal.submit(GrowthJob.submission(clock, key: "model"))
        for stage in 0..<2 {
            guard
                let claim = try await journal.claim(queue: GrowthJob.queue, limit: 1, for: journal.holder).claims
                    .first
            else { break }
            if stage == 0 {
                let reports = eventsPerJob - GrowthJob.eventsWithoutReports
                for number in 0..<max(0, reports) {
                    let share = Progress(Double(number) / Double(reports))
                    _ = try await journal.report(
                        StageReport(progress: share, message: "frame 101 of 192, 12 s left"), for: claim)
                }
            }
            _ = try await journal.finish(
                claim, with: .succeeded(output: .object(["url": .string("file:///out/014.mp4")])))
        }
        try await journal.close()
    }

    /// `copy.n` is the number of the copy. The original has the key 1. The times of the copies are
    /// spread over one week.
    private static let copies = [
        """
        INSERT INTO job (key, id, tenant, pipeline, definition, state, phase, stage_index, priority, input, output, error, metadata,
            simulation, retry_of, created_at, started_at, finished_at)
        SELECT 1 + n, printf('job_%026d', n), tenant, pipeline, definition, iif(n % 3 = 0, 'failed', state),
            iif(n % 3 = 0, 'failed', phase), stage_index, priority, input, output, error, metadata, simulation, retry_of,
            created_at - 604800000 + n * :apart, started_at - 604800000 + n * :apart, finished_at - 604800000 + n * :apart
        FROM copy CROSS JOIN job WHERE key = 1
        """,
        """
        INSERT INTO stage (job, number, queue, tenant, priority, state, mark, attempt, holder, checkpoint, due_at,
            started_at, finished_at, fence, checkpoint_data, output)
        SELECT 1 + n, number, queue, tenant, priority, state, mark, attempt, holder, checkpoint, due_at,
            started_at - 604800000 + n * :apart, finished_at - 604800000 + n * :apart, fence, checkpoint_data, output
        FROM copy CROSS JOIN stage WHERE job = 1
        """,
        """
        INSERT INTO event (job, seq, type, at, payload)
        SELECT 1 + n, seq, type, at - 604800000 + n * :apart, payload FROM copy CROSS JOIN event WHERE job = 1
        """,
        """
        INSERT INTO idempotency SELECT tenant, 'order-' || n, fingerprint, 1 + n
        FROM copy CROSS JOIN idempotency WHERE job = 1
        """,
    ]
}

/// The job of ``GrowthDatabase``: two stages of simulated work.
enum GrowthJob {
    static let queue = QueueName(unchecked: "gpu")
    /// The events of a job without reports: the job is queued, starts and succeeds, and each of its
    /// two stages starts and succeeds.
    static let eventsWithoutReports = 7

    static func submission(_ clock: BenchClock, key: String? = nil) -> Submission {
        var generator = SystemRandomNumberGenerator()
        return Submission(
            id: JobID(at: clock.now(), using: &generator), pipeline: pipeline,
            input: .object([
                "prompt": .string("a paper boat in the rain, seen from below, the street lamps out of focus"),
                "seconds": .number(8), "style": .string("film"),
            ]),
            metadata: ["project": "autumn", "shot": "014"], idempotencyKey: key)
    }

    private static let pipeline = Pipeline(
        name: PipelineName(unchecked: "text-to-video"),
        stages: ["frames", "encode"].map { name in
            Stage(
                name: StageName(unchecked: name), queue: queue, expectedSeconds: 60, timeLimitSeconds: nil,
                work: .simulated(
                    SimulatedWork(
                        steps: 192, message: "frame {step} of {steps}, {seconds} s left", lengthSeconds: 8,
                        output: nil)))
        })
}
