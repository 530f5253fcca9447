import LongtakeCore

/// The clients that submit and cancel, and the responses they got (O1). Unchecked, because the
/// simulation has one thread.
final class JobDesk: @unchecked Sendable {
    private(set) var jobs: [SimulatedJob] = []
    private var lastNumber = 0
    /// Submissions of each tenant that wait for their answer.
    private var underWay: [TenantName: Int] = [:]
    /// How many jobs of one tenant may be queued.
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
        let again = jobs.filter { $0.key != nil && !$0.isUnderWay }
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
    func insist(to boot: Boot) {
        for job in jobs where job.key != nil && job.acknowledged == nil && !job.isUnderWay { send(job, to: boot) }
    }

    private func send(_ job: SimulatedJob, to boot: Boot) {
        lastNumber += 1
        guard let id = SimulatedJob.id(lastNumber) else { return }
        job.isUnderWay = true
        // Unstructured: each request is independent.
        Task { [self] in
            let outcome = await answer(to: job.submission(id), at: boot)
            job.isUnderWay = false
            guard boot.isAlive, let outcome else { return }
            guard let answer = outcome.job else {
                return stage.verdict.blame(.acknowledgedIsKept, "the same key and content are called a conflict")
            }
            stage.trace.tell("acknowledged \(answer.id)")
            stage.verdict.check(
                job.acknowledged == nil || job.acknowledged == answer.id, .acknowledgedIsKept,
                "a key has two jobs, \(answer.id) and another")
            stage.verdict.check(answer.retryOf == job.retryOf, .acknowledgedIsKept, "\(answer.id) is another's retry")
            stage.verdict.check(answer.input == job.input, .acknowledgedIsKept, "\(answer.id) has another input")
            stage.verdict.check(
                stage.book.jobs[answer.id] != nil, .honesty, "\(answer.id) is acknowledged and not durable")
            job.acknowledged = answer.id
        }
    }

    /// `nil` if the submission failed. An answer that the tenant has too many queued jobs must be
    /// true.
    private func answer(to submission: Submission, at boot: Boot) async -> SubmissionOutcome? {
        let tenant = submission.tenant
        let old = Set(stage.book.jobs.keys)
        let queued = stage.book.queued(of: tenant)
        underWay[tenant, default: 0] += 1
        defer { underWay[tenant, default: 0] -= 1 }
        do {
            return try await boot.journal.submit(submission)
        } catch JournalError.tooManyQueued where boot.isAlive {
            // At most these were queued when the daemon judged: what was queued before, came since,
            // or is on its way.
            let new = stage.book.jobs.filter { !old.contains($0.key) && $0.value.entries[0].event.tenant == tenant }
            stage.verdict.check(
                queued + new.count + (underWay[tenant] ?? 0) - 1 >= queuedJobsLimit, .honesty,
                "\(tenant) is said to have too many queued jobs, and had \(queued)")
            return nil
        } catch {
            return nil
        }
    }

    /// A client uses a key that has made a job for another job.
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
                outcome == .conflict, .acknowledgedIsKept, "the key of \(first) is accepted with another content")
        }
    }

    /// Somebody wants any job done again, perhaps another tenant's. Granted only if the job has
    /// failed or was canceled.
    func retryAnything(at boot: Boot) {
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
            stage.verdict.check(
                tenant == job.tenant && (end == .jobFailed || end == .jobCanceled), .honesty,
                "\(tenant) has retried \(origin) of \(job.tenant), which ended as \(end?.rawValue ?? "nothing")")
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
                answer.map { $0.cancelRequested || $0.state.isFinal } ?? true, .oneEnd,
                "\(id): a cancel is answered, and the job is not to be canceled")
            stage.verdict.check(answer != nil, .acknowledgedIsKept, "\(id) is unknown to a cancel")
        }
    }
}
