import LongtakeCore

/// The clients that submit and cancel, and the responses they got (O1). Unchecked, because the
/// simulation has one thread.
final class Submitters: @unchecked Sendable {
    private(set) var jobs: [SimulatedJob] = []
    private var lastNumber = 0
    /// The number of submissions of each tenant that have no response yet.
    private var inFlight: [TenantName: Int] = [:]
    /// The limit of queued jobs for each tenant.
    private let queuedJobsLimit: Int
    private let chance: Chance
    private let stage: Stagehand

    init(chance: Chance, stage: Stagehand, queuedJobsLimit: Int) {
        self.queuedJobsLimit = queuedJobsLimit
        self.chance = chance
        self.stage = stage
    }

    var acknowledged: [(id: JobID, job: SimulatedJob)] { jobs.compactMap { job in job.acknowledged.map { ($0, job) } } }

    /// Submits a new job, or repeats a submission with its idempotency key.
    func submit(to boot: Boot) {
        guard !boot.isStopping else { return }
        let again = jobs.filter { $0.key != nil && !$0.isInFlight }
        if jobs.count >= 6 || !again.isEmpty && chance.isOne(in: 4) {
            if !again.isEmpty { send(chance.one(of: again), to: boot) }
        } else {
            jobs.append(SimulatedJob(number: jobs.count + 1, chance))
            send(jobs[jobs.count - 1], to: boot)
        }
    }

    /// One tenant submits several jobs, one after the other.
    func flood(_ boot: Boot) {
        guard !boot.isStopping, jobs.count < 6 else { return }
        let tenant = chance.one(of: SimulatedJob.tenants)
        for _ in 0...(2 + chance.below(4)) {
            jobs.append(SimulatedJob(number: jobs.count + 1, of: tenant, chance))
            send(jobs[jobs.count - 1], to: boot)
        }
    }

    /// A client retries a job that failed or was canceled.
    func retry(at boot: Boot) {
        let ends = [EventType.jobFailed, .jobCanceled]
        let lost = acknowledged.filter { id, _ in stage.book.jobs[id]?.end.map(ends.contains) ?? false }
        guard !boot.isStopping, jobs.count < 10, !lost.isEmpty else { return }
        let (id, job) = chance.one(of: lost)
        stage.trace.tell("retry \(id)")
        jobs.append(SimulatedJob(number: jobs.count + 1, retryOf: id, job, chance))
        send(jobs[jobs.count - 1], to: boot)
    }

    /// Repeats each submission with a key until it has a response.
    func resubmitUnanswered(to boot: Boot) {
        for job in jobs where job.key != nil && job.acknowledged == nil && !job.isInFlight { send(job, to: boot) }
    }

    private func send(_ job: SimulatedJob, to boot: Boot) {
        lastNumber += 1
        guard let id = SimulatedJob.id(lastNumber) else { return }
        job.isInFlight = true
        // Unstructured: each request is independent.
        Task { [self] in
            let outcome = await answer(to: job.submission(id), at: boot)
            job.isInFlight = false
            guard boot.isAlive, let outcome else { return }
            guard let answer = outcome.job else {
                return stage.verdict.fail(
                    .acknowledged, "a repeated submission with the same content is rejected as a conflict")
            }
            stage.trace.tell("acknowledged \(answer.id)")
            stage.verdict.check(
                job.acknowledged == nil || job.acknowledged == answer.id, .acknowledged,
                "a key created two jobs, \(answer.id) and another one")
            stage.verdict.check(
                answer.retryOf == job.retryOf, .acknowledged, "\(answer.id) is a retry of another job than requested")
            stage.verdict.check(
                answer.input == job.input, .acknowledged, "\(answer.id) has another input than submitted")
            stage.verdict.check(
                stage.book.jobs[answer.id] != nil, .honesty, "\(answer.id) is acknowledged, but not durable")
            job.acknowledged = answer.id
        }
    }

    /// Submits a job; `nil` if the submission failed. If the daemon rejects it because of the limit
    /// of queued jobs, the tenant must have that many.
    private func answer(to submission: Submission, at boot: Boot) async -> SubmissionOutcome? {
        let tenant = submission.tenant
        let old = Set(stage.book.jobs.keys)
        let queued = stage.book.queued(of: tenant)
        inFlight[tenant, default: 0] += 1
        defer { inFlight[tenant, default: 0] -= 1 }
        do {
            return try await boot.journal.submit(submission)
        } catch JournalError.tooManyQueued where boot.isAlive {
            // At most these jobs can have counted: those that were queued before, those that were
            // submitted since, and those without a response.
            let new = stage.book.jobs.filter { !old.contains($0.key) && $0.value.entries[0].event.tenant == tenant }
            stage.verdict.check(
                queued + new.count + (inFlight[tenant] ?? 0) - 1 >= queuedJobsLimit, .honesty,
                "a submission of \(tenant) is rejected by the limit, but only \(queued) jobs are queued")
            return nil
        } catch {
            return nil
        }
    }

    /// A client uses the key of an existing job for another job.
    func reuseKey(at boot: Boot) {
        let known = acknowledged.filter { $0.job.key != nil }
        lastNumber += 1
        guard !known.isEmpty, !boot.isStopping, let id = SimulatedJob.id(lastNumber) else { return }
        let (first, job) = chance.one(of: known)
        var submission = job.submission(id)
        (submission.input, submission.retryOf) = (.object(["prompt": .string("another job")]), nil)
        stage.trace.tell("the key of \(first) for another job")
        // Unstructured, as above.
        Task { [self, submission] in
            guard let outcome = await answer(to: submission, at: boot), boot.isAlive else { return }
            stage.verdict.check(
                outcome == .conflict, .acknowledged, "the key of \(first) is accepted with other content")
        }
    }

    /// A tenant retries any job, perhaps that of another tenant. This may only succeed for its own
    /// job, and only if the job has failed or was canceled.
    func retryAnyJob(at boot: Boot) {
        let jobs = acknowledged
        lastNumber += 1
        guard !jobs.isEmpty, !boot.isStopping, let id = SimulatedJob.id(lastNumber) else { return }
        let (origin, job) = chance.one(of: jobs)
        let tenant = chance.one(of: SimulatedJob.tenants)
        let submission = Submission(
            id: id, tenant: tenant, pipeline: job.pipeline, input: job.input, priority: job.priority, retryOf: origin)
        stage.trace.tell("\(tenant) retries \(origin)")
        // Unstructured, as above.
        Task { [self] in
            guard await answer(to: submission, at: boot) != nil, boot.isAlive else { return }
            let end = stage.book.jobs[origin]?.end
            let state = end.map { "ended with \($0.rawValue)" } ?? "has not ended"
            stage.verdict.check(
                tenant == job.tenant && (end == .jobFailed || end == .jobCanceled), .honesty,
                "the daemon accepts a retry by \(tenant) of \(origin) of \(job.tenant), which \(state)")
        }
    }

    func cancel(at boot: Boot) {
        let jobs = acknowledged
        guard !jobs.isEmpty, !boot.isStopping else { return }
        let (id, job) = chance.one(of: jobs)
        stage.trace.tell("cancel \(id)")
        // Unstructured, as above.
        Task { [self] in
            let answer = try await boot.journal.cancel(id, of: job.tenant)
            guard boot.isAlive else { return }
            if let answer, answer.cancelRequested { job.isCanceled = true }
            stage.verdict.check(
                answer.map { $0.cancelRequested || $0.state.isFinal } ?? true, .finalEvent,
                "\(id): a cancel succeeded, but the job has no cancel mark")
            stage.verdict.check(answer != nil, .acknowledged, "a cancel did not find \(id)")
        }
    }
}
