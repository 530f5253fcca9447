import GRDB
import LongtakeCore

extension JobLedger {
    func submit(_ encoded: EncodedSubmission, _ db: Database) throws -> SubmissionOutcome {
        let submission = encoded.submission
        let moment = clock.reading()
        let judgement = try SubmissionJudgement(
            encoded.prepared, on: try facts(of: encoded, db), queuedMost: queuedMost, at: moment)
        switch judgement {
        case .create(let plan):
            let queue = plan.after.stage.queue
            let position = waiting.position(on: queue, of: submission.tenant, at: submission.priority)
            var job = ActiveJob(key: try insert(encoded, at: plan.at, db), facts: encoded.prepared.facts)
            if let key = submission.idempotencyKey, let fingerprint = encoded.prepared.fingerprint {
                try statements(db).insertKey.run(submission.tenant.description, key, fingerprint, job.key)
            }
            try execute(plan, on: &job, db)
            return .created(encoded.job(job.facts, createdAt: plan.at, queuePosition: position, epoch: epoch))
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
        // In the transaction that makes the new job, so a job that was deleted meanwhile is not retried.
        if let origin = submission.retryOf {
            let state = try String.fetchOne(
                try db.cachedStatement(sql: "SELECT state FROM job WHERE id = ? AND tenant = ?"),
                arguments: [origin.description, submission.tenant.description])
            facts.origin = state.flatMap(JobState.init).map { .found($0) } ?? .missing
        }
        return facts
    }

    private static let fingerprintQuery = "SELECT fingerprint FROM idempotency WHERE tenant = ? AND key = ?"

    /// What the same key made before.
    private func replay(_ encoded: EncodedSubmission, _ db: Database) throws -> SubmissionOutcome? {
        guard let key = encoded.submission.idempotencyKey, let fingerprint = encoded.prepared.fingerprint else {
            return nil
        }
        // The queue position of the job is read out of the shares.
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
