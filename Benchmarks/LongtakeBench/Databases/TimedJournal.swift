import LongtakeCore
import LongtakeSQLite

/// Measures single calls of one caller on a ``GrowthDatabase``.
final class TimedJournal {
    let directory: String
    /// The number of finished jobs. Their keys are 1 to this number.
    let jobs: Int
    private let clock = BenchClock()
    private var journal: SQLiteJournal
    private var claims: [Claim] = []
    private var submitted: [JobID] = []
    private var random = SystemRandomNumberGenerator()

    init(directory: String, jobs: Int) async throws {
        self.directory = directory
        self.jobs = jobs
        journal = try await SQLiteJournal.openForBenchmark(directory, clock: clock)
    }

    /// The measured calls, by name.
    static var calls: [(name: String, call: (TimedJournal) async throws -> Duration)] {
        [
            (
                "submit",
                { timed in
                    let submission = GrowthJob.submission(timed.clock)
                    timed.submitted.append(submission.id)
                    return try await timed.time { _ = try await $0.submit(submission) }
                }
            ),
            (
                "claim",
                { timed in
                    try await timed.time {
                        timed.claims += try await $0.claim(queue: GrowthJob.queue, limit: 1, for: $0.holder).claims
                    }
                }
            ),
            ("resume a running job", { timed in try await timed.resume(timed.claims.last?.job, after: 1) }),
            ("resume a recent job", { timed in try await timed.resume(timed.finished(ofLast: 400), after: 4) }),
            ("resume any finished job", { timed in try await timed.resume(timed.finished(), after: 4) }),
            (
                "read any finished job",
                { timed in
                    let id = timed.finished()
                    return try await timed.time { journal in
                        guard try await journal.job(id, of: .anonymous) != nil else {
                            throw BenchFailure("the job \(id) is missing")
                        }
                    }
                }
            ),
            ("list, first page", { timed in try await timed.time { _ = try await $0.jobs(JobQuery()) } }),
            (
                "list, state=failed",
                { timed in try await timed.time { _ = try await $0.jobs(JobQuery(state: .failed)) } }
            ),
            (
                "list, a page from the middle",
                { timed in
                    let cursor = JobListCursor(
                        rawValue: .random(in: Int64(timed.jobs / 2)...Int64(timed.jobs), using: &timed.random))
                    return try await timed.time { _ = try await $0.jobs(JobQuery(after: cursor)) }
                }
            ),
        ]
    }

    /// Closes the journal, and opens it again as after a graceful shutdown.
    /// - Returns: the time that opening takes.
    func reopen() async throws -> Duration {
        for claim in claims { _ = try? await journal.finish(claim, with: .interrupted(.shutdown)) }
        claims = []
        try await journal.close()
        let begin = ContinuousClock.now
        journal = try await SQLiteJournal.openForBenchmark(directory, clock: clock)
        return ContinuousClock.now - begin
    }

    /// Cancels all jobs that are not final, and closes the journal. Otherwise the next run on this
    /// database would begin with a longer queue.
    func close() async throws {
        for job in submitted { _ = try await journal.cancel(job, of: .anonymous) }
        try await journal.close()
    }

    /// - Parameter count: selects only from so many jobs that have finished last.
    /// - Returns: a random finished job.
    private func finished(ofLast count: Int? = nil) -> JobID {
        let digits = String(Int.random(in: max(1, jobs - (count ?? jobs))..<jobs, using: &random))
        guard let id = JobID("job_" + String(repeating: "0", count: 26 - digits.count) + digits) else {
            preconditionFailure("the id is a job id")
        }
        return id
    }

    private func resume(_ job: JobID?, after: Int64) async throws -> Duration {
        guard let job else { preconditionFailure("the calls claim a job before they resume one") }
        return try await time { journal in
            let page = try await journal.events(
                of: job, of: .anonymous, after: EventSequence(rawValue: after), limit: Limits.eventsPerPage)
            guard page?.events.isEmpty == false else { throw BenchFailure("the job \(job) is missing") }
        }
    }

    private func time(_ body: (SQLiteJournal) async throws -> Void) async throws -> Duration {
        let begin = ContinuousClock.now
        try await body(journal)
        return ContinuousClock.now - begin
    }
}
