import GRDB
import LongtakeCore

extension JobLedger {
    func submit(_ encoded: EncodedSubmission, _ db: Database) throws -> SubmissionOutcome {
        if let known = try replay(encoded, db) { return known }
        let submission = encoded.submission
        let time = clock.now()
        let queue = submission.pipeline.stages[encoded.life.stageIndex].queue
        let position = waiting.position(on: queue, of: submission.tenant, at: submission.priority)
        var job = ActiveJob(
            key: try insert(encoded, at: time, db), id: submission.id, tenant: submission.tenant,
            priority: submission.priority, pipeline: submission.pipeline, life: encoded.life, head: 0)
        if let key = submission.idempotencyKey, let fingerprint = encoded.fingerprint {
            try statements(db).insertKey.run(submission.tenant.description, key, fingerprint, job.key)
        }
        _ = try append(encoded.firstEvent, encoded.payload, to: &job, at: time, db)
        try insertStage(job, db)
        addReady(1, job)
        remember(job)
        let head = EventID(epoch: epoch, sequence: EventSequence(rawValue: job.head))
        return .created(encoded.job(createdAt: time, queuePosition: position, lastEvent: head))
    }

    /// What the same key made before; `nil` where it is new.
    private func replay(_ encoded: EncodedSubmission, _ db: Database) throws -> SubmissionOutcome? {
        let tenant = encoded.submission.tenant
        guard let key = encoded.submission.idempotencyKey,
            let known = try Row.fetchOne(
                try db.cachedStatement(
                    sql: """
                        SELECT idempotency.fingerprint, job.id FROM idempotency JOIN job ON job.key = idempotency.job
                        WHERE idempotency.tenant = ? AND idempotency.key = ?
                        """), arguments: [tenant.description, key])
        else { return nil }
        // The position of a job that waits is read out of the shares.
        try writeShares(db)
        guard known[0] as String == encoded.fingerprint, let id = JobID(known[1] as String),
            let job = try JobReader(epoch: epoch).job(id, of: tenant, db)
        else { return .conflict }
        return .replayed(job)
    }

    private func insert(_ encoded: EncodedSubmission, at time: Timestamp, _ db: Database) throws -> Int64 {
        let submission = encoded.submission
        try statements(db).insertJob.run(
            submission.id.description, submission.tenant.description, submission.pipeline.name.description,
            encoded.definition, submission.priority.rawValue, encoded.input, encoded.metadata, encoded.simulation,
            time.millisecondsSince1970)
        return db.lastInsertedRowID
    }
}
