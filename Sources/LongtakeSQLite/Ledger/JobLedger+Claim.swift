import GRDB
import LongtakeCore

/// Claim order: start-time fair queueing between tenants (Goyal, Vin and Cheng 1996), then priority, then the oldest job.
///
/// Both steps are seeks: `share_waiting` gives the tenant that was served least, `stage_ready` its first stage.
extension JobLedger {
    func claim(queue: QueueName, limit: Int, _ db: Database) throws -> ClaimResult {
        let time = clock.now()
        try wakeDue(on: queue, at: time, db)
        var claims: [Claim] = []
        while claims.count < limit, !paused.contains(queue) {
            try writeShares(db)
            guard let claim = try claimNext(on: queue, at: time, db) else { break }
            claims.append(claim)
        }
        let due = try Int64.fetchOne(
            try db.cachedStatement(sql: "SELECT min(due_at) FROM stage WHERE queue = ? AND due_at IS NOT NULL"),
            arguments: [queue.description])
        return ClaimResult(claims: claims, nextDue: Timestamp(column: due))
    }

    /// Makes stages claimable whose wait is over; as many as one transaction should hold, the rest at the next claim, whose time has come.
    ///
    /// One that is due further away than any wait is long was put there before the wall clock was set back.
    private func wakeDue(on queue: QueueName, at time: Timestamp, _ db: Database) throws {
        let due = try String.fetchAll(
            try db.cachedStatement(sql: Self.dueQuery),
            arguments: [queue.description, time.millisecondsSince1970, Limits.commandsPerCommit])
        let far = try String.fetchAll(
            try db.cachedStatement(sql: Self.farQuery),
            arguments: [
                queue.description, time.advanced(by: Limits.retryWaitMost).millisecondsSince1970,
                Limits.commandsPerCommit,
            ])
        for text in due + far {
            guard let id = JobID(text), var job = try load(id, db) else { throw UnreadableRow("job.id “\(text)”") }
            try db.cachedStatement(sql: "UPDATE stage SET due_at = NULL WHERE job = ? AND number = ?")
                .execute(arguments: [job.key, job.life.stageIndex])
            job.dueAt = nil
            waiting.add(1, on: queue, of: job.tenant, at: job.priority)
            remember(job)
        }
    }

    private func claimNext(on queue: QueueName, at time: Timestamp, _ db: Database) throws -> Claim? {
        guard
            let share = try Row.fetchOne(
                try db.cachedStatement(sql: Self.tenantQuery), arguments: [queue.description])
        else { return nil }
        let (tenant, served): (String, Int64) = (share[0], share[1])
        guard
            let row = try Row.fetchOne(
                try db.cachedStatement(sql: Self.stageQuery), arguments: [queue.description, tenant]),
            let id = JobID(row[0] as String), var job = try load(id, db)
        else { throw UnreadableRow("share.waiting of \(tenant) on \(queue)") }
        try charge(tenant, served: served, on: queue, db)
        try apply(try judge(.claim, job, time), to: &job, at: time, delay: nil, db)
        guard let token = job.token else { throw UnreadableRow("a claim without an event") }
        return Claim(
            token: ClaimToken(EventPosition(rawValue: token)), job: id, stage: job.stage,
            stageIndex: job.life.stageIndex,
            attempt: job.life.attempt, checkpoint: job.life.stageProgress,
            input: try JSONText.decode(JSONValue.self, from: row[1]),
            simulation: try (row[2] as String?).map { try JSONText.decode(Simulation.self, from: $0) })
    }

    private func charge(_ tenant: String, served: Int64, on queue: QueueName, _ db: Database) throws {
        let virtual = try Int64.fetchOne(
            try db.cachedStatement(sql: "SELECT virtual FROM queue WHERE name = ?"), arguments: [queue.description])
        let start = max(served, virtual ?? 0)
        try db.cachedStatement(
            sql:
                "INSERT INTO queue (name, virtual) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET virtual = excluded.virtual"
        ).execute(arguments: [queue.description, start])
        try db.cachedStatement(sql: "UPDATE share SET served = ? WHERE queue = ? AND tenant = ?")
            .execute(arguments: [start + 1, queue.description, tenant])
    }

    static let tenantQuery =
        "SELECT tenant, served FROM share WHERE queue = ? AND waiting > 0 ORDER BY served, tenant LIMIT 1"
    static let stageQuery = """
        SELECT job.id, job.input, job.simulation FROM stage CROSS JOIN job ON job.key = stage.job
        WHERE stage.queue = ? AND stage.tenant = ? AND stage.state = 'queued' AND stage.due_at IS NULL
        ORDER BY stage.priority DESC, stage.job LIMIT 1
        """
    static let dueQuery = """
        SELECT job.id FROM stage CROSS JOIN job ON job.key = stage.job
        WHERE stage.queue = ? AND stage.due_at <= ? ORDER BY stage.due_at LIMIT ?
        """

    static let farQuery = """
        SELECT job.id FROM stage CROSS JOIN job ON job.key = stage.job
        WHERE stage.queue = ? AND stage.due_at > ? LIMIT ?
        """
}
