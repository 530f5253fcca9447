import GRDB
import LongtakeCore

/// Judges commands and writes what follows, within the transaction that the writer has opened. Used on the writer's queue only.
///
/// Active jobs are kept as decided last, so that a report costs one INSERT and no read. The cache is right because this is the only
/// connection that writes, and it is dropped whenever a transaction is rolled back.
final class JobLedger {
    let epoch: Epoch
    let clock: any WallClock
    private var active: [JobID: ActiveJob] = [:]
    private var commit = Commit()
    /// Above it the cache starts anew. A job with its pipeline takes a few kilobytes.
    private static let activeJobs = 16_384

    init(epoch: Epoch, clock: any WallClock) {
        self.epoch = epoch
        self.clock = clock
    }

    /// What the transaction that was just committed has changed.
    func takeCommit() -> Commit {
        defer { commit = Commit() }
        return commit
    }

    /// The transaction was rolled back: nothing of it has happened.
    func forget() {
        active.removeAll(keepingCapacity: true)
        commit = Commit()
    }

    // MARK: Commands

    func change(_ claim: Claim, by command: JobCommand, _ db: Database) throws -> JobState {
        let time = clock.now()
        guard var job = try load(claim.job, db), job.token == claim.token.position.rawValue else {
            throw JournalError.notOwner
        }
        var delay: Duration?
        if case .retry(_, let pause) = command { delay = pause }
        let decision = try judge(command, job, time)
        try apply(decision, to: &job, at: time, delay: decision.life.phase == .retrying ? delay : nil, db)
        return job.life.state
    }

    func cancel(_ id: JobID, of tenant: TenantName, _ db: Database) throws -> Job? {
        let time = clock.now()
        guard var job = try load(id, db), job.tenant == tenant else { return nil }
        try apply(try judge(.cancel, job, time), to: &job, at: time, delay: nil, db)
        return try JobReader(epoch: epoch).job(id, of: tenant, db)
    }

    /// Puts back what the boot before had left running. Returns how many stages that were.
    func recover(_ db: Database) throws -> Int {
        let time = clock.now()
        let orphans = try String.fetchAll(
            db,
            sql:
                "SELECT job.id FROM stage INDEXED BY stage_running JOIN job ON job.key = stage.job WHERE stage.state = 'running'"
        )
        for orphan in orphans {
            guard let id = JobID(orphan), var job = try load(id, db) else { throw UnreadableRow("job.id “\(orphan)”") }
            try apply(try judge(.recover, job, time), to: &job, at: time, delay: nil, db)
        }
        return orphans.count
    }

    func judge(_ command: JobCommand, _ job: ActiveJob, _ time: Timestamp) throws -> JobStateMachine.Decision {
        do {
            return try job.machine.decide(command, on: job.life, at: time)
        } catch {
            throw JournalError.refused(error)
        }
    }

    // MARK: Rows

    /// The job as it was decided last: the row of its last change of state, brought forward by its last event.
    func load(_ id: JobID, _ db: Database) throws -> ActiveJob? {
        if let job = active[id] { return job }
        guard
            let row = try Row.fetchOne(
                try db.cachedStatement(
                    sql: """
                        SELECT job.key, job.tenant, job.priority, job.definition, job.phase, job.stage_index, job.started_at,
                            stage.mark, stage.attempt, stage.checkpoint, stage.started_at, stage.token, stage.due_at,
                            event.seq, event.type, json_extract(event.payload, '$.progress'),
                            json_extract(event.payload, '$.stage_progress')
                        FROM job
                        JOIN stage ON stage.job = job.key AND stage.number = job.stage_index
                        JOIN event ON event.job = job.key AND event.seq = (SELECT max(seq) FROM event WHERE job = job.key)
                        WHERE job.id = ?
                        """), arguments: [id.description])
        else { return nil }
        let life = JobLife(
            phase: try JobLife.Phase(column: row[4], mark: row[7]), stageIndex: row[5], attempt: row[8],
            stageProgress: JobReader.stageProgress(checkpoint: row[9], lastType: row[14], told: row[16]),
            progress: Progress(row[15]), stageStartedAt: Timestamp(column: row[10]),
            startedAt: Timestamp(column: row[6]))
        let job = ActiveJob(
            key: row[0], id: id, tenant: TenantName(unchecked: row[1]), priority: row[2],
            pipeline: try JSONText.decode(Pipeline.self, from: row[3]), life: life, head: row[13], token: row[11],
            dueAt: Timestamp(column: row[12]))
        remember(job)
        return job
    }

    func remember(_ job: ActiveJob) {
        if job.life.state.isFinal {
            active[job.id] = nil
        } else {
            if active.count >= Self.activeJobs { active.removeAll(keepingCapacity: true) }
            active[job.id] = job
        }
    }

    /// Appends the events and moves the job's rows to the life after them. A report moves no row: the last event tells it.
    func apply(
        _ decision: JobStateMachine.Decision, to job: inout ActiveJob, at time: Timestamp, delay: Duration?,
        _ db: Database
    ) throws {
        let before = job
        for event in decision.events { job.token = try append(event, to: &job, at: time, db) }
        job.life = decision.life
        defer { remember(job) }
        if before.life.phase == .executing, job.life.phase == .executing {
            job.token = before.token
            return
        }
        guard before.life != job.life || before.head == 0 else {
            job.token = before.token
            return
        }
        // A claim's token is the position of its last event; later changes keep it while the stage runs.
        if before.life.phase == .executing { job.token = before.token }
        if job.life.stageState != .running { job.token = nil }
        job.dueAt = delay.map { time.advanced(by: $0) }
        try writeJob(job, decision, at: time, db)
        try writeStage(from: before, to: job, at: time, db)
        try countWaiting(from: before, to: job, db)
    }

    private func append(_ event: JobEvent, to job: inout ActiveJob, at time: Timestamp, _ db: Database) throws -> Int64
    {
        job.head += 1
        let payload = try event.payload()
        try db.cachedStatement(sql: "INSERT INTO event (job, seq, type, at, payload) VALUES (?, ?, ?, ?, ?)")
            .execute(arguments: [job.key, job.head, event.type.rawValue, time.millisecondsSince1970, payload])
        let position = db.lastInsertedRowID
        commit.events.append(
            CommittedEvent(
                id: EventID(epoch: epoch, sequence: EventSequence(rawValue: job.head)),
                position: EventPosition(rawValue: position), job: job.id, tenant: job.tenant,
                pipeline: job.pipeline.name,
                type: event.type, at: time, payload: payload))
        return position
    }

    private func writeJob(
        _ job: ActiveJob, _ decision: JobStateMachine.Decision, at time: Timestamp, _ db: Database
    ) throws {
        var (output, error): (String?, String?)
        switch decision.events.last?.change {
        case .succeeded(let value, _): output = try JSONText.encode(value)
        case .failed(let reason): error = try JSONText.encode(reason)
        default: break
        }
        try db.cachedStatement(
            sql: """
                UPDATE job SET state = ?, phase = ?, stage_index = ?, output = ?, error = ?, started_at = ?, finished_at = ?
                WHERE key = ?
                """
        ).execute(arguments: [
            job.life.state.rawValue, job.life.phase.column, job.life.stageIndex, output, error,
            job.life.startedAt?.millisecondsSince1970, job.life.state.isFinal ? time.millisecondsSince1970 : nil,
            job.key,
        ])
    }

    private func writeStage(from before: ActiveJob, to job: ActiveJob, at time: Timestamp, _ db: Database) throws {
        if job.life.stageIndex > before.life.stageIndex {
            try db.cachedStatement(
                sql: """
                    UPDATE stage SET state = 'succeeded', token = NULL, checkpoint = 1, finished_at = ? WHERE job = ? AND number = ?
                    """
            ).execute(arguments: [time.millisecondsSince1970, job.key, before.life.stageIndex])
            try insertStage(job, db)
        } else if before.head == 0 {
            try insertStage(job, db)
        } else {
            try db.cachedStatement(
                sql: """
                    UPDATE stage SET state = ?, mark = ?, attempt = ?, token = ?, checkpoint = ?, due_at = ?, started_at = ?,
                        finished_at = ?
                    WHERE job = ? AND number = ?
                    """
            ).execute(arguments: [
                job.life.stageState.rawValue, job.life.phase.mark, job.life.attempt, job.token,
                job.life.stageProgress.value,
                job.dueAt?.millisecondsSince1970, job.life.stageStartedAt?.millisecondsSince1970,
                job.life.state.isFinal ? time.millisecondsSince1970 : nil, job.key, job.life.stageIndex,
            ])
        }
    }

    private func insertStage(_ job: ActiveJob, _ db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO stage (job, number, queue, tenant, priority, state, attempt, checkpoint)
                VALUES (?, ?, ?, ?, ?, 'queued', 0, 0)
                """
        ).execute(arguments: [
            job.key, job.life.stageIndex, job.stage.queue.description, job.tenant.description, job.priority,
        ])
    }

    /// Keeps the number of claimable stages of each tenant, which makes the next claim a seek, and notes whom to wake.
    private func countWaiting(from before: ActiveJob, to job: ActiveJob, _ db: Database) throws {
        if before.head > 0, before.isReady { try addWaiting(-1, on: before.stage.queue, of: job.tenant, db) }
        guard job.life.stageState == .queued else { return }
        let queue = job.stage.queue
        if let due = job.dueAt {
            commit.delayedQueues[queue] = min(due, commit.delayedQueues[queue] ?? due)
        } else {
            try addWaiting(1, on: queue, of: job.tenant, db)
            commit.readyQueues.insert(queue)
        }
    }

    func addWaiting(_ count: Int, on queue: QueueName, of tenant: TenantName, _ db: Database) throws {
        // Not an upsert alone: SQLite checks the row to be inserted first, and −1 breaks `waiting >= 0`.
        try db.cachedStatement(sql: "INSERT OR IGNORE INTO share (queue, tenant, served, waiting) VALUES (?, ?, 0, 0)")
            .execute(arguments: [queue.description, tenant.description])
        try db.cachedStatement(sql: "UPDATE share SET waiting = waiting + ? WHERE queue = ? AND tenant = ?")
            .execute(arguments: [count, queue.description, tenant.description])
    }
}

extension Timestamp {
    /// From a column of milliseconds.
    init?(column: Int64?) {
        guard let column else { return nil }
        self.init(millisecondsSince1970: column)
    }
}
