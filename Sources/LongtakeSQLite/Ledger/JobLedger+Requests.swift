import GRDB
import LongtakeCore

extension JobLedger {
    func submit(_ encoded: EncodedSubmission, _ db: Database) throws -> SubmissionOutcome {
        let submission = encoded.submission
        let moment = clock.reading()
        let judgement = try SubmissionJudgement(
            encoded.prepared, on: try facts(of: encoded, db), queuedJobsLimit: queuedJobsLimit, at: moment)
        switch judgement {
        case .create(let plan):
            let queue = plan.after.stage.queue
            let position = waiting.position(on: queue, of: submission.tenant, at: submission.priority)
            var job = ActiveJob(key: try insert(encoded, at: plan.at, db), facts: encoded.prepared.facts)
            if let key = submission.idempotencyKey, let fingerprint = encoded.prepared.fingerprint {
                try statements(db).insertKey.run(submission.tenant.description, key, fingerprint, job.key)
            }
            let isSpedUp = submission.simulation?.speed != nil
            try execute(plan, on: &job, hint: .init(isSpedUp: isSpedUp, claimsBefore: position), db)
            var created = encoded.job(job.facts, createdAt: plan.at, queuePosition: position, epoch: epoch)
            created.estimate = estimate(created, of: submission.pipeline)
            return .created(created)
        case .replay: return try replay(encoded, db) ?? .conflict
        case .conflict: return .conflict
        }
    }

    private func facts(of encoded: EncodedSubmission, _ db: Database) throws -> SubmissionFacts {
        let submission = encoded.submission
        var facts = SubmissionFacts(queuedJobs: queued.count(of: submission.tenant))
        if let key = submission.idempotencyKey {
            facts.knownFingerprint = try String.fetchOne(
                try db.cachedStatement(sql: Self.fingerprintQuery),
                arguments: [submission.tenant.description, key])
        }
        // This is in the transaction that creates the new job, so a job that was deleted meanwhile
        // is not retried.
        if let origin = submission.retryOf {
            let state = try String.fetchOne(
                try db.cachedStatement(sql: "SELECT state FROM job WHERE id = ? AND tenant = ?"),
                arguments: [origin.description, submission.tenant.description])
            facts.origin = state.flatMap(JobState.init).map { .found($0) } ?? .missing
        }
        // The content of a known key is not checked again.
        if !submission.files.isEmpty, facts.knownFingerprint == nil {
            facts.content = try FileReader.content(of: submission, db)
        }
        return facts
    }

    private static let fingerprintQuery = "SELECT fingerprint FROM idempotency WHERE tenant = ? AND key = ?"

    /// The job that an earlier submission with the same key created.
    private func replay(_ encoded: EncodedSubmission, _ db: Database) throws -> SubmissionOutcome? {
        guard let key = encoded.submission.idempotencyKey, let fingerprint = encoded.prepared.fingerprint else {
            return nil
        }
        // The queue position of the job depends on the shares.
        try writeShares(db)
        return try JobReader(epoch: epoch).replay(
            of: key, tenant: encoded.submission.tenant, fingerprint: fingerprint, db)
    }

    private func insert(_ encoded: EncodedSubmission, at time: Timestamp, _ db: Database) throws -> Int64 {
        let submission = encoded.submission
        try statements(db).insertJob.run(
            submission.id.description, submission.tenant.description, submission.pipeline.name.description,
            encoded.definition, submission.priority.rawValue, encoded.input, encoded.metadata, encoded.simulation,
            submission.retryOf?.description, time.millisecondsSince1970)
        return db.lastInsertedRowID
    }
}

/// Deleting a job hides it, which changes one row for any length of the event log. The ``Pruner``
/// removes the rows later, a limited number per transaction.
///
/// Pruning a job that is too large for one transaction begins the same way (``PruneCommand``), and
/// a boot after a crash continues it.
extension JobLedger {
    func delete(_ id: JobID, of tenant: TenantName, _ db: Database) throws {
        let found = try Row.fetchOne(
            try db.cachedStatement(sql: Self.deleteQuery), arguments: [id.description, tenant.description])
        try JobState.requireDeletable(found.map { JobState(rawValue: $0[1]) ?? .failed })
        guard let found else { throw JournalError.noSuchJob }
        let (key, position): (Int64, Int64?) = (found[0], found[2])
        try HiddenJob.hide(key, db)
        // A damaged database may have lost the events of the job.
        if let position { try PruneRecord.raise(through: position, of: tenant, db) }
    }

    static let deleteQuery = """
        SELECT key, state, (SELECT position FROM event WHERE job = job.key ORDER BY seq DESC LIMIT 1)
        FROM job WHERE id = ? AND tenant = ?
        """
}

/// The writer decides pauses and claims in one order, so it grants no claim after a pause.
extension JobLedger {
    func pause(_ queue: QueueName, _ db: Database) throws {
        paused.insert(queue)
        estimates?.pause(queue, true)
        try db.cachedStatement(
            sql:
                "INSERT INTO queue (name, virtual, paused) VALUES (?, 0, 1) ON CONFLICT (name) DO UPDATE SET paused = 1"
        ).execute(arguments: [queue.description])
    }

    func resume(_ queue: QueueName, _ db: Database) throws {
        paused.remove(queue)
        estimates?.pause(queue, false)
        try db.cachedStatement(sql: "UPDATE queue SET paused = 0 WHERE name = ?")
            .execute(arguments: [queue.description])
        wake(queue)
    }

    static let pausedQuery = "SELECT name FROM queue WHERE paused = 1"
}
