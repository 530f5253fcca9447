import GRDB
import LongtakeCore

/// The order of claims: start-time fair queueing between tenants (Goyal, Vin and Cheng 1996), then
/// priority, then the oldest job.
///
/// Both steps are index seeks: `share_waiting` gives the tenant with the least service, and
/// `stage_ready` gives its first stage.
extension JobLedger {
    /// Claims up to `limit` stages. A job that cannot be read is set aside and does not affect the
    /// others.
    func claim(queue: QueueName, limit: Int, for holder: HolderID, _ db: Database) throws -> ClaimResult {
        guard !gone.contains(holder) else { throw JournalError.notOwner }
        let moment = clock.reading()
        try wakeDue(on: queue, at: moment, db)
        var (claims, tries) = ([Claim](), 0)
        while claims.count < limit, !paused.contains(queue) {
            tries += 1
            guard tries <= limit + Self.setAsideAtOnce else {
                // Later claims grant the rest, so that this transaction stays short.
                wake(queue)
                break
            }
            try writeShares(db)
            guard let next = try claimNext(on: queue, for: holder, at: moment, db) else { break }
            if case .granted(let claim) = next { claims.append(claim) }
        }
        let due = try Int64.fetchOne(
            try db.cachedStatement(sql: "SELECT min(due_at) FROM stage WHERE queue = ? AND due_at IS NOT NULL"),
            arguments: [queue.description])
        return ClaimResult(claims: claims, nextDue: Timestamp(column: due))
    }

    /// How many jobs one claim sets aside, besides those that it grants.
    private static let setAsideAtOnce = 64

    private enum Next {
        case granted(Claim)
        /// A row could not be read and is out of the way now.
        case corrected
    }

    /// Makes stages claimable whose delay is over. One transaction handles a limited number, and
    /// the next claim handles the rest.
    ///
    /// These are the stages for which ``JobFacts/isDue(at:)`` holds: those whose due time has come,
    /// and those whose wait begins in the future, because the wall clock was set back before a
    /// restart.
    private func wakeDue(on queue: QueueName, at moment: ClockReading, _ db: Database) throws {
        let due = try Row.fetchAll(
            try db.cachedStatement(sql: Self.dueQuery),
            arguments: [queue.description, moment.steady.millisecondsSince1970, SQLiteLimits.dueStagesPerClaim])
        let far = try Row.fetchAll(
            try db.cachedStatement(sql: Self.farQuery),
            arguments: [
                queue.description, moment.steady.millisecondsSince1970, SQLiteLimits.dueStagesPerClaim,
            ])
        for row in due + far {
            guard var job = try reading(row[0], at: moment, db, { try load(row[0] as Int64, db) }) else { continue }
            try execute(.stageIsDue(job.facts, at: moment), on: &job, db)
        }
    }

    /// - Returns: `nil` if no stage waits.
    private func claimNext(
        on queue: QueueName, for holder: HolderID, at moment: ClockReading, _ db: Database
    ) throws -> Next? {
        guard
            let share = try Row.fetchOne(
                try db.cachedStatement(sql: Self.tenantQuery), arguments: [queue.description])
        else { return nil }
        let (tenant, served): (String, Int64) = (share[0], share[1])
        guard
            let key = try Int64.fetchOne(
                try db.cachedStatement(sql: Self.stageQuery), arguments: [queue.description, tenant])
        else {
            try mendShare(of: tenant, on: queue, db)
            return .corrected
        }
        // Read everything before anything is written.
        guard let reserved = try reading(key, at: moment, db, { try reserve(key, for: holder, at: moment, db) }) else {
            return .corrected
        }
        try charge(tenant, served: served, on: queue, db)
        var job = reserved.job
        try execute(reserved.plan, on: &job, hint: .init(isSpedUp: reserved.simulation?.speed != nil), db)
        return .granted(
            Claim(
                job.facts, holder: holder, checkpointData: reserved.checkpoint, input: reserved.input,
                outputs: reserved.outputs, files: reserved.files, artifacts: reserved.artifacts,
                simulation: reserved.simulation, metadata: reserved.metadata))
    }

    /// A stage that was chosen for a holder, with everything that its claim needs.
    private struct Reserved {
        let job: ActiveJob
        let plan: LedgerPlan
        let input: JSONValue
        let outputs: [StageName: JSONValue]
        let checkpoint: JSONValue?
        let files: [String: InputFile]
        let artifacts: [ArtifactRecord]
        let simulation: Simulation?
        let metadata: [String: String]
    }

    private func reserve(
        _ key: Int64, for holder: HolderID, at moment: ClockReading, _ db: Database
    ) throws -> Reserved {
        guard let row = try Row.fetchOne(try db.cachedStatement(sql: Self.workQuery), arguments: [key]) else {
            throw UnreadableRow("stage.job \(key)")
        }
        let job = try load(row[0] as String, key, db)
        let plan: LedgerPlan
        do throws(JournalError) {
            plan = try LedgerPlan.claim(by: holder, on: job.facts, at: moment)
        } catch {
            throw UnreadableRow("job \(job.id) waits but cannot be claimed (\(error))")
        }
        return Reserved(
            job: job, plan: plan, input: try JSONText.decode(JSONValue.self, from: row[1]),
            outputs: try outputs(of: job, db), checkpoint: try checkpoint(of: job, db),
            files: try (row[4] as Bool) ? FileReader.inputFiles(of: key, db) : [:],
            artifacts: try (row[5] as Bool)
                ? FileReader.artifacts(of: key, stages: job.facts.pipeline.stages.map(\.name), db) : [],
            simulation: try (row[2] as String?).map { try JSONText.decode(Simulation.self, from: $0) },
            metadata: try (row[3] as String) == "{}" ? [:] : JSONText.decode([String: String].self, from: row[3]))
    }

    /// The outputs of the stages before the current one.
    private func outputs(of job: ActiveJob, _ db: Database) throws -> [StageName: JSONValue] {
        guard job.facts.life.stageIndex > 0 else { return [:] }
        let rows = try Row.fetchAll(try db.cachedStatement(sql: Self.outputsQuery), arguments: [job.key])
        let stages = job.facts.pipeline.stages
        return try rows.reduce(into: [:]) { outputs, row in
            let index: Int = row[0]
            guard stages.indices.contains(index) else { throw UnreadableRow("stage.number of job \(job.id)") }
            outputs[stages[index].name] = try JSONText.decode(JSONValue.self, from: row[1])
        }
    }

    /// Only an interrupted attempt has one.
    private func checkpoint(of job: ActiveJob, _ db: Database) throws -> JSONValue? {
        guard case .suspended = job.facts.life.phase else { return nil }
        let text = try String.fetchOne(
            try db.cachedStatement(sql: Self.checkpointQuery), arguments: [job.key, job.facts.life.stageIndex])
        return try text.map { try JSONText.decode(JSONValue.self, from: $0) }
    }

    /// The share says that stages wait, but none does. Without a correction it would be chosen
    /// first for ever.
    private func mendShare(of tenant: String, on queue: QueueName, _ db: Database) throws {
        try db.execute(
            sql: "UPDATE share SET waiting = 0 WHERE queue = ? AND tenant = ?", arguments: [queue.description, tenant])
        corrected.append("share.waiting of \(tenant) on \(queue)")
    }

    private func charge(_ tenant: String, served: Int64, on queue: QueueName, _ db: Database) throws {
        let virtual = try Int64.fetchOne(
            try db.cachedStatement(sql: "SELECT virtual FROM queue WHERE name = ?"), arguments: [queue.description])
        let charged = FairShare.charge(served, virtual: virtual ?? 0)
        try db.cachedStatement(
            sql:
                "INSERT INTO queue (name, virtual) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET virtual = excluded.virtual"
        ).execute(arguments: [queue.description, charged.virtual])
        try db.cachedStatement(sql: "UPDATE share SET served = ? WHERE queue = ? AND tenant = ?")
            .execute(arguments: [charged.served, queue.description, tenant])
    }

    static let tenantQuery =
        "SELECT tenant, served FROM share WHERE queue = ? AND waiting > 0 ORDER BY served, tenant LIMIT 1"
    static let stageQuery = """
        SELECT job FROM stage WHERE queue = ? AND tenant = ? AND state = 'queued' AND due_at IS NULL
        ORDER BY priority DESC, job LIMIT 1
        """
    private static let outputsQuery = "SELECT number, output FROM stage WHERE job = ? AND output IS NOT NULL"
    private static let checkpointQuery = "SELECT checkpoint_data FROM stage WHERE job = ? AND number = ?"
    /// A job without files and artifacts costs two index seeks.
    static let workQuery = """
        SELECT id, input, simulation, metadata, EXISTS (SELECT 1 FROM input_file WHERE job = job.key),
            EXISTS (SELECT 1 FROM artifact WHERE job = job.key)
        FROM job WHERE key = ?
        """
    static let dueQuery = """
        SELECT job FROM stage WHERE queue = ? AND due_at <= ? ORDER BY due_at LIMIT ?
        """

    static let farQuery = """
        SELECT job FROM stage INDEXED BY stage_wait
        WHERE queue = ? AND due_at - coalesce(delay, \(Schema.earlierDelay)) > ? AND due_at IS NOT NULL LIMIT ?
        """
}
