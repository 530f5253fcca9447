import GRDB
import LongtakeCore

/// Judges commands and writes what follows, within the transaction that the writer has opened. Used on the writer's queue only.
///
/// Active jobs are kept as decided last, so that a report costs one INSERT and no read; and stages that wait are counted, so that a
/// submission reads nothing either. Both are right because this is the only connection that writes, and because what a transaction did to
/// them is taken back whenever it is rolled back.
final class JobLedger {
    let epoch: Epoch
    let clock: ContinuedClock
    private var steady: SteadyRecord
    var waiting = WaitingStages()
    var queued = QueuedJobs()
    var paused: PausedQueues
    /// Of one tenant.
    let queuedMost: Int
    private var active = ActiveJobs()
    private var starts = SteadyStarts()
    private var commit = Commit()
    private var prepared: LedgerStatements?
    private let setAside: SetAsideJobs
    /// Jobs that the transaction has set aside.
    var setAsideNow: [SetAsideJobs.Job] = []
    /// `job.key` of the jobs that this process has set aside because SQLite called their pages corrupt.
    var corruptJobs: Set<Int64> = []
    /// Counts that the transaction has mended.
    var mended: [String] = []

    init(
        epoch: Epoch, clock: any WallClock, queuedJobsPerTenant: Int = Limits.queuedJobsPerTenantDefault,
        setAside: SetAsideJobs = SetAsideJobs(), _ db: Database
    ) throws {
        self.setAside = setAside
        self.epoch = epoch
        (steady, self.clock) = try SteadyRecord.load(clock, db)
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
    func completeTransaction(_ db: Database) throws {
        try writeShares(db)
        try steady.save(clock.reading(), db)
    }

    /// What the transaction that was just committed has changed.
    func takeCommit() -> Commit {
        defer { commit = Commit() }
        waiting.keep()
        queued.keep()
        paused.keep()
        starts.keep()
        steady.keep()
        setAside.tell(setAsideNow)
        for what in mended { setAside.tell(mended: what) }
        (setAsideNow, mended) = ([], [])
        return commit
    }

    /// The transaction was rolled back: nothing of it has happened.
    func forget() {
        active.removeAll()
        starts.undo()
        steady.undo()
        (setAsideNow, mended) = ([], [])
        waiting.undo()
        queued.undo()
        paused.undo()
        commit = Commit()
    }

    // MARK: Commands

    /// Carries out a worker's command.
    /// - Returns: the job's state after it; `nil` if the job cannot be read and was set aside, which ends the claim.
    func change(_ claim: Claim, by command: JobCommand, _ db: Database) throws -> JobState? {
        var job: ActiveJob
        if let known = active.find(claim.job) {
            job = known
        } else {
            guard let key = try key(of: claim.job, db) else { throw JournalError.notOwner }
            let read = try reading(key, at: clock.reading(), db) { try load(claim.job, key, db) }
            guard let read else { return nil }
            job = read
        }
        guard job.token == claim.token.position.rawValue else { throw JournalError.notOwner }
        let moment = clock.reading().told(notBefore: job.lastAt)
        var delay: Duration?
        if case .retry(_, let pause) = command { delay = pause }
        let decision = try judge(command, job, moment)
        try apply(decision, to: &job, at: moment, delay: decision.life.phase == .retrying ? delay : nil, db)
        return job.life.state
    }

    func cancel(_ id: JobID, of tenant: TenantName, _ db: Database) throws -> Job? {
        guard let key = try key(of: id, db), try self.tenant(of: key, id, db) == tenant else { return nil }
        if var job = try reading(key, at: clock.reading(), db, { try load(id, key, db) }) {
            let moment = clock.reading().told(notBefore: job.lastAt)
            try apply(try judge(.cancel, job, moment), to: &job, at: moment, delay: nil, db)
        }
        return try JobReader(epoch: epoch).job(id, of: tenant, db)
    }

    /// Puts back what the boot before had left running. Returns how many stages that were.
    func recover(_ db: Database) throws -> Int {
        let orphans = try Row.fetchAll(
            db,
            sql: "SELECT job FROM stage INDEXED BY stage_running WHERE state = 'running'"
        )
        var recovered = 0
        for orphan in orphans {
            let moment = clock.reading()
            guard var job = try reading(orphan[0], at: moment, db, { try load(orphan[0] as Int64, db) }) else {
                continue
            }
            let told = moment.told(notBefore: job.lastAt)
            try apply(try judge(.recover, job, told), to: &job, at: told, delay: nil, db)
            recovered += 1
            CrashPoint.reach(.inRecovery)
        }
        return recovered
    }

    func judge(_ command: JobCommand, _ job: ActiveJob, _ moment: ClockReading) throws -> JobStateMachine.Decision {
        do {
            return try job.machine.decide(command, on: job.life, at: moment)
        } catch {
            throw JournalError.refused(error)
        }
    }

    // MARK: Rows

    /// `nil` if there is no such job.
    private func key(of id: JobID, _ db: Database) throws -> Int64? {
        if let job = active.find(id) { return job.key }
        return try Int64.fetchOne(
            try db.cachedStatement(sql: "SELECT key FROM job WHERE id = ?"), arguments: [id.description])
    }

    private func tenant(of key: Int64, _ id: JobID, _ db: Database) throws -> TenantName? {
        if let job = active.find(id) { return job.tenant }
        return try String.fetchOne(
            try db.cachedStatement(sql: "SELECT tenant FROM job WHERE key = ?"), arguments: [key]
        ).map(TenantName.init(unchecked:))
    }

    /// The job of a row, by the row's key.
    func load(_ key: Int64, _ db: Database) throws -> ActiveJob {
        let text = try String.fetchOne(
            try db.cachedStatement(sql: "SELECT id FROM job WHERE key = ?"), arguments: [key])
        guard let text else { throw UnreadableRow("stage.job \(key)") }
        return try load(text, key, db)
    }

    /// - Parameter text: `job.id` as it is stored.
    func load(_ text: String, _ key: Int64, _ db: Database) throws -> ActiveJob {
        guard let id = JobID(text) else { throw UnreadableRow("job.id “\(text)”") }
        return try load(id, key, db)
    }

    /// The job as it was decided last: from the cache, or else from its rows.
    /// - Throws: ``UnreadableRow`` or an error of decoding if they cannot be read.
    func load(_ id: JobID, _ key: Int64, _ db: Database) throws -> ActiveJob {
        if let job = active.find(id) { return job }
        let job = try ActiveJobReader(starts: starts).read(id, key, db)
        remember(job)
        return job
    }

    func remember(_ job: ActiveJob) {
        if job.life.state.isFinal { active.remove(job.id) } else { active.keep(job) }
    }

    /// Nothing in memory is about this job any more.
    func forgetActive(_ id: JobID) {
        active.remove(id)
        starts.end(id)
    }

    /// Adds an event to what the transaction tells.
    func publish(_ event: CommittedEvent) { commit.events.append(event) }

    /// Appends the events and moves the job's rows to the life after them. A report moves no row: the last event tells it.
    func apply(
        _ decision: JobStateMachine.Decision, to job: inout ActiveJob, at moment: ClockReading, delay: Duration?,
        _ db: Database
    ) throws {
        let before = job
        for event in decision.events { job.token = try append(event, to: &job, at: moment.time, db) }
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
        job.dueAt = delay.map { moment.steady.advanced(by: $0) }
        starts.note(job)
        try writeJob(job, decision, at: moment, db)
        try writeStage(from: before, to: job, at: moment.time, db)
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
        job.lastAt = time
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
        _ job: ActiveJob, _ decision: JobStateMachine.Decision, at moment: ClockReading, _ db: Database
    ) throws {
        var (output, error): (String?, String?)
        switch decision.events.last?.change {
        case .succeeded(let value, _): output = try JSONText.encode(value)
        case .failed(let reason): error = try JSONText.encode(reason)
        default: break
        }
        try statements(db).updateJob.run(
            job.life.state.rawValue, job.life.phase.column, job.life.stageIndex, output, error,
            job.life.startedAt?.time.millisecondsSince1970,
            job.life.state.isFinal ? moment.steady.millisecondsSince1970 : nil, job.key)
    }

    private func writeStage(from before: ActiveJob, to job: ActiveJob, at time: Timestamp, _ db: Database) throws {
        if job.life.stageIndex > before.life.stageIndex {
            try statements(db).completeStage.run(time.millisecondsSince1970, job.key, before.life.stageIndex)
            try insertStage(job, db)
        } else {
            try statements(db).updateStage.run(
                job.life.stageState.rawValue, job.life.phase.mark, job.life.attempt, job.token,
                job.life.stageProgress.value,
                job.dueAt?.millisecondsSince1970, job.life.stageStartedAt?.time.millisecondsSince1970,
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
            let share = WaitingStages.Share(
                queue: QueueName(unchecked: row[0]), tenant: TenantName(unchecked: row[1]))
            waiting.load(row[3], of: share, at: Priority(clamping: row[2]))
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
