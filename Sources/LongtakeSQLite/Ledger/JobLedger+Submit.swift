import GRDB
import LongtakeCore

extension JobLedger {
    func submit(_ submission: Submission, _ db: Database) throws -> SubmissionOutcome {
        let reader = JobReader(epoch: epoch)
        let fingerprint = try submission.fingerprint()
        if let key = submission.idempotencyKey,
            let known = try Row.fetchOne(
                try db.cachedStatement(
                    sql: """
                        SELECT idempotency.fingerprint, job.id FROM idempotency JOIN job ON job.key = idempotency.job
                        WHERE idempotency.tenant = ? AND idempotency.key = ?
                        """), arguments: [submission.tenant.description, key])
        {
            guard known[0] as String == fingerprint, let id = JobID(known[1] as String),
                let job = try reader.job(id, of: submission.tenant, db)
            else { return .conflict }
            return .replayed(job)
        }
        let time = clock.now()
        let decision = JobStateMachine(pipeline: submission.pipeline).submit(priority: submission.priority)
        var job = ActiveJob(
            key: try insert(submission, at: time, db), id: submission.id, tenant: submission.tenant,
            priority: submission.priority.rawValue, pipeline: submission.pipeline, life: decision.life, head: 0)
        if let key = submission.idempotencyKey {
            try db.cachedStatement(sql: "INSERT INTO idempotency (tenant, key, fingerprint, job) VALUES (?, ?, ?, ?)")
                .execute(arguments: [submission.tenant.description, key, fingerprint, job.key])
        }
        try apply(decision, to: &job, at: time, delay: nil, db)
        guard let view = try reader.job(submission.id, of: submission.tenant, db) else {
            throw UnreadableRow("a job that was just written")
        }
        return .created(view)
    }

    private func insert(_ submission: Submission, at time: Timestamp, _ db: Database) throws -> Int64 {
        try db.cachedStatement(
            sql: """
                INSERT INTO job (id, tenant, pipeline, definition, state, phase, stage_index, priority, input, metadata, simulation,
                    created_at)
                VALUES (?, ?, ?, ?, 'queued', 'queued', 0, ?, ?, ?, ?, ?)
                """
        ).execute(arguments: [
            submission.id.description, submission.tenant.description, submission.pipeline.name.description,
            try JSONText.encode(submission.pipeline), submission.priority.rawValue,
            try JSONText.encode(submission.input),
            try JSONText.encode(submission.metadata), try submission.simulation.map { try JSONText.encode($0) },
            time.millisecondsSince1970,
        ])
        return db.lastInsertedRowID
    }
}
