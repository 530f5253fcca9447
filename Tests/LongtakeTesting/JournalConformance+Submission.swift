import LongtakeCore

/// Checks of submissions: retries, idempotency keys, and the limit of queued jobs.
extension JournalConformance {
    /// The `number`-th job, as a retry of another.
    func retry(_ number: Int, of origin: Submission, key: String? = nil) -> Submission {
        var submission = Samples.submission(number, tenant: origin.tenant.description, key: key)
        submission.retryOf = origin.id
        return submission
    }

    public func retriesJobs() async throws {
        let journal = try await make(ManualClock())
        var (old, running) = (Samples.submission(1), Samples.submission(2))
        old.simulation = Simulation(speed: 3)
        _ = try await journal.submit(old)
        try await expect(.refused(.notRetryable), "a queued job cannot be retried") {
            _ = try await journal.submit(retry(3, of: old))
        }
        let claim = try await claim(journal)
        try await expect(.refused(.notRetryable), "a running job cannot be retried") {
            _ = try await journal.submit(retry(3, of: old))
        }
        let error = JobError(code: "stage_failed", message: "no", stage: claim.stage.name)
        _ = try await journal.finish(claim, with: .failed(error))
        let created = try await journal.submit(retry(3, of: old))
        guard case .created(let job) = created else { throw Violation(description: "a failed job can be retried") }
        try expect(
            job.id == Samples.submission(3).id && job.retryOf == old.id && job.state == .queued,
            "a retry is a new job that names the retried job")
        let read = try await journal.job(job.id, of: .anonymous)
        try expect(read == job, "a read returns the same job as the submission")
        let origin = try await journal.job(old.id, of: .anonymous)
        try expect(
            origin?.state == .failed && origin?.simulation == old.simulation, "a retry does not change the retried job")
        running.idempotencyKey = nil
        _ = try await journal.submit(running)
        _ = try await journal.cancel(running.id, of: .anonymous)
        let second = try await journal.submit(retry(4, of: running)).job?.retryOf
        try expect(second == running.id, "a canceled job can be retried")
        var foreign = retry(5, of: old)
        foreign.tenant = TenantName(unchecked: "other")
        try await expect(.noSuchJob, "a tenant cannot retry the job of another tenant") {
            _ = try await journal.submit(foreign)
        }
        try await expect(.noSuchJob, "a job that does not exist cannot be retried") {
            _ = try await journal.submit(retry(5, of: Samples.submission(99)))
        }
        let rest = try await journal.claim(queue: Samples.cpu, limit: 10).claims
        try expect(rest.map(\.job) == [3, 4].map { Samples.submission($0).id }, "retries are claimed like any job")
        for claim in rest {
            _ = try await journal.finish(claim, with: .succeeded(output: nil))
            guard let next = try await journal.claim(queue: Samples.gpu, limit: 1).claims.first else { continue }
            _ = try await journal.finish(next, with: .succeeded(output: nil))
        }
        try await expect(.refused(.notRetryable), "a job that has succeeded cannot be retried") {
            _ = try await journal.submit(retry(6, of: Samples.submission(3)))
        }
        try await journal.close()
    }

    public func replaysARepeatedRetry() async throws {
        let journal = try await make(ManualClock())
        let (old, other) = (Samples.submission(1), Samples.submission(2))
        for submission in [old, other] {
            _ = try await journal.submit(submission)
            _ = try await journal.cancel(submission.id, of: .anonymous)
        }
        let fingerprint = try retry(3, of: old, key: "k").fingerprint()
        let unknown = try await journal.replay(of: "k", tenant: .anonymous, fingerprint: fingerprint)
        try expect(unknown == nil, "a new key has no job yet")
        let first = try await journal.submit(retry(3, of: old, key: "k")).job
        guard case .replayed(let again) = try await journal.submit(retry(4, of: old, key: "k")), again.id == first?.id
        else { throw Violation(description: "the same key returns the same retry") }
        guard
            case .replayed(let read) = try await journal.replay(of: "k", tenant: .anonymous, fingerprint: fingerprint),
            read.id == first?.id
        else { throw Violation(description: "a read returns the job of a key") }
        let conflict = try await journal.submit(retry(4, of: other, key: "k"))
        try expect(conflict == .conflict, "the same key for another job's retry is a conflict")
        let plain = try await journal.submit(Samples.submission(4, key: "k"))
        try expect(plain == .conflict, "the same key for a job that is no retry is a conflict")
        let foreign = try await journal.replay(
            of: "k", tenant: TenantName(unchecked: "other"), fingerprint: fingerprint)
        try expect(foreign == nil, "each tenant has its own keys")
        try await journal.close()
    }

    public func limitsQueuedJobs() async throws {
        let journal = try await open(ManualClock(), 3)
        // The submissions run at the same time, so a count that a submission read earlier may be
        // outdated.
        let refused = await withTaskGroup(of: Bool.self) { group in
            for number in 1...20 {
                group.addTask {
                    do {
                        _ = try await journal.submit(Samples.submission(number, key: "\(number)"))
                        return false
                    } catch {
                        return error as? JournalError == .tooManyQueued
                    }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        let queued = try await journal.jobs(JobQuery(state: .queued)).jobs
        try expect(refused == 17 && queued.count == 3, "a tenant never has more queued jobs than the limit")
        guard let key = queued.first?.metadata["order"], let number = Int(key) else {
            throw Violation(description: "the list contains the accepted jobs")
        }
        guard case .replayed = try await journal.submit(Samples.submission(number, key: key)) else {
            throw Violation(description: "a known key returns its job at the limit")
        }
        _ = try await journal.submit(Samples.submission(50, tenant: "other"))
        func fill(_ number: Int, _ sentence: String) async throws {
            _ = try await journal.submit(Samples.submission(number))
            try await expect(.tooManyQueued, sentence) { _ = try await journal.submit(Samples.submission(number + 1)) }
        }
        _ = try await claim(journal)
        try await fill(2_001, "after a claim, one more job is accepted")
        _ = try await journal.cancel(Samples.submission(2_001).id, of: .anonymous)
        try await fill(2_003, "after a cancel, one more job is accepted")
        try await expect(.tooManyQueued, "a retry counts like a submission") {
            _ = try await journal.submit(retry(2_005, of: Samples.submission(2_001)))
        }
        try await journal.close()
    }
}
