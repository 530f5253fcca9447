import LongtakeCore
import LongtakeSQLite

/// One database under measurement: times of single calls of one caller.
final class GrowthProbe {
    let directory: String
    /// Finished jobs that were seeded; their keys are 1 to this.
    let jobs: Int
    private let clock = GrowthClock()
    private var journal: SQLiteJournal
    private var claims: [Claim] = []
    private var submitted: [JobID] = []
    private var random = SystemRandomNumberGenerator()

    init(directory: String, jobs: Int) async throws {
        self.directory = directory
        self.jobs = jobs
        journal = try await GrowthDatabase.open(directory, clock)
    }

    /// What is measured, by name.
    static var calls: [(name: String, call: (GrowthProbe) async throws -> Duration)] {
        [
            (
                "submit",
                { probe in
                    let submission = GrowthSample.submission(probe.clock)
                    probe.submitted.append(submission.id)
                    return try await probe.time { _ = try await $0.submit(submission) }
                }
            ),
            (
                "claim",
                { probe in
                    try await probe.time {
                        probe.claims += try await $0.claim(queue: GrowthSample.queue, limit: 1, for: $0.holder).claims
                    }
                }
            ),
            ("resume a running job", { probe in try await probe.resume(probe.claims.last?.job, after: 1) }),
            ("resume a recent job", { probe in try await probe.resume(probe.finished(ofLast: 400), after: 4) }),
            ("resume any finished job", { probe in try await probe.resume(probe.finished(), after: 4) }),
            (
                "look at any finished job",
                { probe in
                    let id = probe.finished()
                    return try await probe.time { journal in
                        guard try await journal.job(id, of: .anonymous) != nil else {
                            throw BenchFailure("the job \(id) is not there")
                        }
                    }
                }
            ),
            ("list, first page", { probe in try await probe.time { _ = try await $0.jobs(JobQuery()) } }),
            (
                "list, state=failed",
                { probe in try await probe.time { _ = try await $0.jobs(JobQuery(state: .failed)) } }
            ),
            (
                "list, a page deep inside",
                { probe in
                    let cursor = JobListCursor(
                        rawValue: .random(in: Int64(probe.jobs / 2)...Int64(probe.jobs), using: &probe.random))
                    return try await probe.time { _ = try await $0.jobs(JobQuery(after: cursor)) }
                }
            ),
        ]
    }

    /// From closed to ready, in an orderly restart.
    func reopen() async throws -> Duration {
        for claim in claims { _ = try? await journal.finish(claim, with: .interrupted(.shutdown)) }
        claims = []
        try await journal.close()
        let begin = ContinuousClock.now
        journal = try await GrowthDatabase.open(directory, clock)
        return ContinuousClock.now - begin
    }

    /// With nothing active left behind, since a database that is measured again would be one with a longer queue.
    func close() async throws {
        for job in submitted { _ = try await journal.cancel(job, of: .anonymous) }
        try await journal.close()
    }

    /// One of those that finished last, or of all.
    private func finished(ofLast count: Int? = nil) -> JobID {
        let digits = String(Int.random(in: max(1, jobs - (count ?? jobs))..<jobs, using: &random))
        guard let id = JobID("job_" + String(repeating: "0", count: 26 - digits.count) + digits) else {
            preconditionFailure("the seed's ids are well-formed")
        }
        return id
    }

    private func resume(_ job: JobID?, after: Int64) async throws -> Duration {
        guard let job else { preconditionFailure("a job was claimed before") }
        return try await time { journal in
            let page = try await journal.events(
                of: job, of: .anonymous, after: EventSequence(rawValue: after), limit: Limits.eventsPerPage)
            guard page?.events.isEmpty == false else { throw BenchFailure("the job \(job) is not there") }
        }
    }

    private func time(_ body: (SQLiteJournal) async throws -> Void) async throws -> Duration {
        let begin = ContinuousClock.now
        try await body(journal)
        return ContinuousClock.now - begin
    }
}
