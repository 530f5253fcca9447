import GRDB
import LongtakeCore

extension JobLedger {
    func submit(_ encoded: EncodedSubmission, _ db: Database) throws -> SubmissionOutcome {
        if let known = try replay(encoded, db) { return known }
        let submission = encoded.submission
        if let origin = submission.retryOf { try judgeRetry(of: origin, tenant: submission.tenant, db) }
        guard queued.count(of: submission.tenant) < queuedMost else { throw JournalError.tooManyQueued }
        let time = clock.now()
        let queue = submission.pipeline.stages[encoded.life.stageIndex].queue
        let position = waiting.position(on: queue, of: submission.tenant, at: submission.priority)
        var job = ActiveJob(
            key: try insert(encoded, at: time, db), id: submission.id, tenant: submission.tenant,
            priority: submission.priority, pipeline: submission.pipeline, life: encoded.life, head: 0, lastAt: time)
        if let key = submission.idempotencyKey, let fingerprint = encoded.fingerprint {
            try statements(db).insertKey.run(submission.tenant.description, key, fingerprint, job.key)
        }
        _ = try append(encoded.firstEvent, encoded.payload, to: &job, at: time, db)
        try insertStage(job, db)
        addReady(1, job)
        queued.add(1, of: job.tenant)
        remember(job)
        let head = EventID(epoch: epoch, sequence: EventSequence(rawValue: job.head))
        return .created(encoded.job(createdAt: time, queuePosition: position, lastEvent: head))
    }

    /// What the same key made before; `nil` where it is new.
    private func replay(_ encoded: EncodedSubmission, _ db: Database) throws -> SubmissionOutcome? {
        guard let key = encoded.submission.idempotencyKey, let fingerprint = encoded.fingerprint else { return nil }
        // The position of a job that waits is read out of the shares.
        try writeShares(db)
        return try JobReader(epoch: epoch).replay(
            of: key, tenant: encoded.submission.tenant, fingerprint: fingerprint, db)
    }

    /// In the transaction that makes the new job, so that one that was deleted meanwhile is not done again.
    private func judgeRetry(of origin: JobID, tenant: TenantName, _ db: Database) throws {
        let state = try String.fetchOne(
            try db.cachedStatement(sql: "SELECT state FROM job WHERE id = ? AND tenant = ?"),
            arguments: [origin.description, tenant.description])
        guard let state else { throw JournalError.noSuchJob }
        guard JobState(rawValue: state)?.isRetryable == true else { throw JournalError.refused(.notRetryable) }
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
