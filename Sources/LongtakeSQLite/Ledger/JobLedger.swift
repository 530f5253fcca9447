import GRDB
import LongtakeCore

/// Judges commands and writes what follows, within the transaction that the writer has opened. Used on the writer's queue only.
///
/// Active jobs are kept as decided last, so that a report costs one INSERT and no read; and stages that wait are counted, so that a
/// submission reads nothing either. Both are right because this is the only connection that writes, and because what a transaction did to
/// them is taken back whenever it is rolled back.
final class JobLedger {
    let epoch: Epoch
    let clock: any WallClock
    var waiting = WaitingStages()
    var queued = QueuedJobs()
    var paused: PausedQueues
    /// Of one tenant.
    let queuedMost: Int
    private var active: [JobID: ActiveJob] = [:]
    private var commit = Commit()
    private var prepared: LedgerStatements?
    /// Above it the cache starts anew. A job with its pipeline takes a few kilobytes.
    private static let activeJobs = 16_384

    init(
        epoch: Epoch, clock: any WallClock, queuedJobsPerTenant: Int = Limits.queuedJobsPerTenantDefault, _ db: Database
    ) throws {
        self.epoch = epoch
        self.clock = clock
        queuedMost = queuedJobsPerTenant
        paused = PausedQueues(Set(try String.fetchAll(db, sql: Self.pausedQuery).map(QueueName.init(unchecked:))))
        try loadWaiting(db)
        try loadQueued(db)
    }

    func statements(_ db: Database) throws -> LedgerStatements {
        if let prepared { return prepared }
        let new = try LedgerStatements(db)
        prepared = new
        return new
    }

    /// Lets go of the connection, which cannot be closed before.
    func close() { prepared = nil }

    // MARK: Transactions

    /// Writes what is written once a transaction; the last thing before COMMIT.
    func completeTransaction(_ db: Database) throws { try writeShares(db) }

    /// What the transaction that was just committed has changed.
    func takeCommit() -> Commit {
        defer { commit = Commit() }
        waiting.keep()
        queued.keep()
        paused.keep()
        return commit
    }

    /// The transaction was rolled back: nothing of it has happened.
    func forget() {
        active.removeAll(keepingCapacity: true)
        waiting.undo()
        queued.undo()
        paused.undo()
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
            CrashPoint.reach(.inRecovery)
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
        guard let progress = row[15] as Double? else { throw UnreadableRow("the last event of \(id)") }
        let life = JobLife(
            phase: try JobLife.Phase(column: row[4], mark: row[7]), stageIndex: row[5], attempt: row[8],
            stageProgress: JobReader.stageProgress(checkpoint: row[9], lastType: row[14], told: row[16]),
            progress: Progress(progress), stageStartedAt: Timestamp(column: row[10]),
            startedAt: Timestamp(column: row[6]))
        guard let priority = Priority(row[2]) else { throw UnreadableRow("job.priority of \(id)") }
        let job = ActiveJob(
            key: row[0], id: id, tenant: TenantName(unchecked: row[1]), priority: priority,
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
        guard before.life != job.life else {
            job.token = before.token
            return
        }
        // A claim's token is the position of its last event; later changes keep it while the stage runs.
        if before.life.phase == .executing { job.token = before.token }
        if job.life.stageState != .running { job.token = nil }
        job.dueAt = delay.map { time.advanced(by: $0) }
        try writeJob(job, decision, at: time, db)
        try writeStage(from: before, to: job, at: time, db)
        countWaiting(from: before, to: job)
    }

    private func append(_ event: JobEvent, to job: inout ActiveJob, at time: Timestamp, _ db: Database) throws -> Int64
    {
        try append(event.type, event.payload(), to: &job, at: time, db)
    }

    /// - Returns: the event's position.
    func append(
        _ type: EventType, _ payload: String, to job: inout ActiveJob, at time: Timestamp, _ db: Database
    ) throws -> Int64 {
        job.head += 1
        try statements(db).insertEvent.run(job.key, job.head, type.rawValue, time.millisecondsSince1970, payload)
        let position = db.lastInsertedRowID
        commit.events.append(
            CommittedEvent(
                id: EventID(epoch: epoch, sequence: EventSequence(rawValue: job.head)),
                position: EventPosition(rawValue: position), job: job.id, tenant: job.tenant,
                pipeline: job.pipeline.name, type: type, at: time, payload: payload))
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
        try statements(db).updateJob.run(
            job.life.state.rawValue, job.life.phase.column, job.life.stageIndex, output, error,
            job.life.startedAt?.millisecondsSince1970, job.life.state.isFinal ? time.millisecondsSince1970 : nil,
            job.key)
    }

    private func writeStage(from before: ActiveJob, to job: ActiveJob, at time: Timestamp, _ db: Database) throws {
        if job.life.stageIndex > before.life.stageIndex {
            try statements(db).completeStage.run(time.millisecondsSince1970, job.key, before.life.stageIndex)
            try insertStage(job, db)
        } else {
            try statements(db).updateStage.run(
                job.life.stageState.rawValue, job.life.phase.mark, job.life.attempt, job.token,
                job.life.stageProgress.value,
                job.dueAt?.millisecondsSince1970, job.life.stageStartedAt?.millisecondsSince1970,
                job.life.state.isFinal ? time.millisecondsSince1970 : nil, job.key, job.life.stageIndex)
        }
    }

    /// The row of the job's current stage, which waits for its first claim.
    func insertStage(_ job: ActiveJob, _ db: Database) throws {
        try statements(db).insertStage.run(
            job.key, job.life.stageIndex, job.stage.queue.description, job.tenant.description, job.priority.rawValue)
    }

    /// Keeps count of the claimable stages, and notes whom to wake.
    private func countWaiting(from before: ActiveJob, to job: ActiveJob) {
        if before.life.state == .queued, job.life.state != .queued { queued.add(-1, of: job.tenant) }
        if before.isReady { addReady(-1, before) }
        guard job.life.stageState == .queued else { return }
        if let due = job.dueAt {
            let queue = job.stage.queue
            commit.delayedQueues[queue] = min(due, commit.delayedQueues[queue] ?? due)
        } else {
            addReady(1, job)
        }
    }

    /// Counts the job's current stage in or out of those that can be claimed, and wakes its queue where there is one more.
    func addReady(_ count: Int, _ job: ActiveJob) {
        waiting.add(count, on: job.stage.queue, of: job.tenant, at: job.priority)
        if count > 0 { wake(job.stage.queue) }
    }

    /// Has the commit tell that something can be claimed.
    func wake(_ queue: QueueName) {
        if !paused.contains(queue) { commit.readyQueues.insert(queue) }
    }

    // MARK: Shares

    private func loadWaiting(_ db: Database) throws {
        let rows = try Row.fetchCursor(db, sql: Self.waitingQuery)
        while let row = try rows.next() {
            guard let priority = Priority(row[2]) else { throw UnreadableRow("stage.priority") }
            let share = WaitingStages.Share(
                queue: QueueName(unchecked: row[0]), tenant: TenantName(unchecked: row[1]))
            waiting.load(row[3], of: share, at: priority)
        }
    }

    static let waitingQuery = """
        SELECT queue, tenant, priority, count(*) FROM stage INDEXED BY stage_ready
        WHERE state = 'queued' AND due_at IS NULL GROUP BY queue, tenant, priority
        """

    private func loadQueued(_ db: Database) throws {
        let rows = try Row.fetchCursor(db, sql: Self.queuedQuery)
        while let row = try rows.next() { queued.load(row[1], of: TenantName(unchecked: row[0])) }
    }

    /// Whoever has a job that is queued has a share. So this costs what is queued, and not what the database holds.
    static let queuedQuery = """
        SELECT tenant, (SELECT count(*) FROM job WHERE job.tenant = known.tenant AND job.state = 'queued')
        FROM (SELECT DISTINCT tenant FROM share) AS known
        """

    /// Brings the rows up to what was decided: before a claim reads them, and before COMMIT.
    func writeShares(_ db: Database) throws {
        for (share, count) in waiting.takeUnwritten() where count != 0 {
            let (queue, tenant) = (share.queue.description, share.tenant.description)
            try statements(db).updateShare.run(count, queue, tenant)
            // Not an upsert: SQLite checks the row to be inserted first, and −1 breaks `waiting >= 0`.
            if db.changesCount == 0 { try statements(db).insertShare.run(queue, tenant, count) }
        }
    }
}

extension Timestamp {
    /// From a column of milliseconds.
    init?(column: Int64?) {
        guard let column else { return nil }
        self.init(millisecondsSince1970: column)
    }
}
