import LongtakeCore

/// What is submitted: retries, keys, and how many jobs may be queued.
extension JournalConformance {
    /// The `number`-th job, as a retry of another.
    func retry(_ number: Int, of origin: Submission, key: String? = nil) -> Submission {
        var submission = Samples.submission(number, tenant: origin.tenant.description, key: key)
        submission.retryOf = origin.id
        return submission
    }

    public func doesAJobAgain() async throws {
        let journal = try await make(ManualClock())
        var (old, running) = (Samples.submission(1), Samples.submission(2))
        old.simulation = Simulation(speed: 3)
        _ = try await journal.submit(old)
        try await expect(.refused(.notRetryable), "a job that is queued is not done again") {
            _ = try await journal.submit(retry(3, of: old))
        }
        let claim = try await claim(journal)
        try await expect(.refused(.notRetryable), "a job that runs is not done again") {
            _ = try await journal.submit(retry(3, of: old))
        }
        let error = JobError(code: "stage_failed", message: "no", stage: claim.stage.name)
        _ = try await journal.finish(claim, with: .failed(error))
        let created = try await journal.submit(retry(3, of: old))
        guard case .created(let job) = created else { throw Broken(description: "what has failed is done again") }
        try expect(
            job.id == Samples.submission(3).id && job.retryOf == old.id && job.state == .queued,
            "a retry is a new job that says whose it is")
        let read = try await journal.job(job.id, of: .anonymous)
        try expect(read == job, "a retry reads as it was answered")
        let origin = try await journal.job(old.id, of: .anonymous)
        try expect(
            origin?.state == .failed && origin?.simulation == old.simulation, "the old job stays as it was")
        running.idempotencyKey = nil
        _ = try await journal.submit(running)
        _ = try await journal.cancel(running.id, of: .anonymous)
        let second = try await journal.submit(retry(4, of: running)).job?.retryOf
        try expect(second == running.id, "what was canceled is done again")
        var foreign = retry(5, of: old)
        foreign.tenant = TenantName(unchecked: "other")
        try await expect(.noSuchJob, "another tenant's job is nobody's to do again") {
            _ = try await journal.submit(foreign)
        }
        try await expect(.noSuchJob, "a job that never was is not done again") {
            _ = try await journal.submit(retry(5, of: Samples.submission(99)))
        }
        let rest = try await journal.claim(queue: Samples.cpu, limit: 10).claims
        try expect(rest.map(\.job) == [3, 4].map { Samples.submission($0).id }, "retries are claimed like any job")
        for claim in rest {
            _ = try await journal.finish(claim, with: .succeeded(output: nil))
            guard let next = try await journal.claim(queue: Samples.gpu, limit: 1).claims.first else { continue }
            _ = try await journal.finish(next, with: .succeeded(output: nil))
        }
        try await expect(.refused(.notRetryable), "what has succeeded is not done again") {
            _ = try await journal.submit(retry(6, of: Samples.submission(3)))
        }
        try await journal.close()
    }

    public func answersARepeatedRetry() async throws {
        let journal = try await make(ManualClock())
        let (old, other) = (Samples.submission(1), Samples.submission(2))
        for submission in [old, other] {
            _ = try await journal.submit(submission)
            _ = try await journal.cancel(submission.id, of: .anonymous)
        }
        let fingerprint = try retry(3, of: old, key: "k").fingerprint()
        let unknown = try await journal.replay(of: "k", tenant: .anonymous, fingerprint: fingerprint)
        try expect(unknown == nil, "a new key has made nothing yet")
        let first = try await journal.submit(retry(3, of: old, key: "k")).job
        guard case .replayed(let again) = try await journal.submit(retry(4, of: old, key: "k")), again.id == first?.id
        else { throw Broken(description: "the same key finds the same retry") }
        guard
            case .replayed(let read) = try await journal.replay(of: "k", tenant: .anonymous, fingerprint: fingerprint),
            read.id == first?.id
        else { throw Broken(description: "a read finds what a key has made") }
        let conflict = try await journal.submit(retry(4, of: other, key: "k"))
        try expect(conflict == .conflict, "the same key for another job's retry is a conflict")
        let plain = try await journal.submit(Samples.submission(4, key: "k"))
        try expect(plain == .conflict, "the same key for a job that is no retry is a conflict")
        let stranger = try await journal.replay(
            of: "k", tenant: TenantName(unchecked: "other"), fingerprint: fingerprint)
        try expect(stranger == nil, "keys are each tenant's own")
        try await journal.close()
    }

    public func boundsQueuedJobs() async throws {
        let journal = try await open(ManualClock(), 3)
        // Together, so that none of them may count on what it read before its turn.
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
        try expect(refused == 17 && queued.count == 3, "no more jobs of a tenant are queued than may be")
        guard let key = queued.first?.metadata["order"], let number = Int(key) else {
            throw Broken(description: "the jobs that were taken in are listed")
        }
        guard case .replayed = try await journal.submit(Samples.submission(number, key: key)) else {
            throw Broken(description: "a key that is known is answered at the bound")
        }
        _ = try await journal.submit(Samples.submission(50, tenant: "other"))
        func fill(_ number: Int, _ sentence: String) async throws {
            _ = try await journal.submit(Samples.submission(number))
            try await expect(.tooManyQueued, sentence) { _ = try await journal.submit(Samples.submission(number + 1)) }
        }
        _ = try await claim(journal)
        try await fill(2_001, "a claim makes room for one")
        _ = try await journal.cancel(Samples.submission(2_001).id, of: .anonymous)
        try await fill(2_003, "a cancel makes room for one")
        try await expect(.tooManyQueued, "a retry counts as a submission") {
            _ = try await journal.submit(retry(2_005, of: Samples.submission(2_001)))
        }
        try await journal.close()
    }
}
