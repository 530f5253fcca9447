import GRDB
import LongtakeCore

/// Executes plans on SQLite, within the writer's transaction. Used on the writer's queue only.
///
/// The ledger caches the facts of active jobs, so a report costs one INSERT and no read. It also
/// counts the waiting stages, so a submission reads nothing either. Both stay correct because only
/// this connection writes, and because a rollback undoes the changes of its transaction.
final class JobLedger {
    let epoch: Epoch
    /// The holder of this boot, for which stages are claimed.
    let holder: HolderID
    /// Holders that were declared gone since the start.
    private(set) var gone: Set<HolderID> = []
    let clock: ContinuedClock
    private var steady: SteadyRecord
    var waiting = WaitingStages()
    var queued = QueuedJobs()
    var paused: PausedQueues
    /// The limit per tenant.
    let queuedJobsLimit: Int
    /// `nil` if this store makes no estimates.
    var estimates: EstimateLedger?
    let board: EstimateBoard?
    private var active = ActiveJobs()
    private var starts = SteadyStarts()
    private var commit = Commit()
    private var prepared: LedgerStatements?
    #if DEBUG
        private var reports = 0
    #endif
    private let setAside: SetAsideJobs
    /// Jobs that the present transaction has set aside.
    var setAsideNow: [SetAsideJobs.Job] = []
    /// `job.key` of the jobs that this process has set aside because SQLite reported their pages as
    /// corrupt.
    var corruptJobs: Set<Int64> = []
    /// Counters that the present transaction has corrected.
    var corrected: [String] = []

    /// - Parameter holder: the holder of this boot.
    init(
        epoch: Epoch, holder: HolderID = HolderID(rawValue: 1), clock: any WallClock,
        queuedJobsPerTenant: Int = Limits.queuedJobsPerTenantDefault,
        setAside: SetAsideJobs = SetAsideJobs(), workers: [QueueName: Int]? = nil, _ db: Database
    ) throws {
        self.setAside = setAside
        self.epoch = epoch
        self.holder = holder
        (steady, self.clock) = try SteadyRecord.load(clock, db)
        queuedJobsLimit = queuedJobsPerTenant
        board = workers.map { [clock = self.clock] _ in EstimateBoard(clock: clock) }
        paused = PausedQueues(Set(try String.fetchAll(db, sql: Self.pausedQuery).map(QueueName.init(unchecked:))))
        try loadWaiting(db)
        try loadQueued(db)
        if let workers { try loadEstimates(workers, db) }
    }

    func statements(_ db: Database) throws -> LedgerStatements {
        if let prepared { return prepared }
        let new = try LedgerStatements(db)
        prepared = new
        return new
    }

    /// Releases the connection. It cannot be closed before.
    func close() { prepared = nil }

    // MARK: Transactions

    /// Writes the rows that change once per transaction. Called last before COMMIT.
    func completeTransaction(_ db: Database) throws {
        try writeShares(db)
        try writeEstimates(db)
        try steady.save(clock.reading(), db)
    }

    /// The events and wake-ups of the transaction that was just committed.
    func takeCommit() -> Commit {
        defer { commit = Commit() }
        waiting.keep()
        queued.keep()
        paused.keep()
        keepEstimates()
        starts.keep()
        steady.keep()
        setAside.log(setAsideNow)
        for what in corrected { setAside.log(corrected: what) }
        (setAsideNow, corrected) = ([], [])
        return commit
    }

    /// The transaction was rolled back, and with it all its changes.
    func forget() {
        active.removeAll()
        starts.undo()
        steady.undo()
        (setAsideNow, corrected) = ([], [])
        waiting.undo()
        queued.undo()
        paused.undo()
        estimates?.undo()
        commit = Commit()
    }

    // MARK: Commands

    /// Executes a command of a claim's holder.
    /// - Returns: the job's state afterwards; `nil` if the job cannot be read and was set aside,
    ///   which ends the claim.
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
        let plan = try LedgerPlan.work(
            command, by: claim.id, of: claim.holder, on: job.facts, at: clock.reading())
        try plan.requireOwnNames { try maker(of: $0, in: job, db) }
        try execute(plan, on: &job, db)
        return job.facts.life.state
    }

    func cancel(_ id: JobID, of tenant: TenantName, _ db: Database) throws -> Job? {
        guard let key = try key(of: id, db), try self.tenant(of: key, id, db) == tenant else { return nil }
        if var job = try reading(key, at: clock.reading(), db, { try load(id, key, db) }) {
            try execute(try LedgerPlan.cancel(job.facts, at: clock.reading()), on: &job, db)
        }
        return try JobReader(epoch: epoch).job(id, of: tenant, db)
    }

    /// Puts the stages of gone holders back into their queues.
    /// - Parameter query: selects `stage.job`.
    /// - Returns: the number of stages.
    private func recover(_ query: String, _ holder: HolderID, _ db: Database) throws -> Int {
        let keys = try Int64.fetchAll(db, sql: query, arguments: [holder.rawValue])
        var recovered = 0
        for key in keys {
            guard var job = try reading(key, at: clock.reading(), db, { try load(key, db) }) else { continue }
            try execute(try LedgerPlan.recover(job.facts, at: clock.reading()), on: &job, db)
            recovered += 1
            CrashPoint.reach(.inRecovery)
        }
        return recovered
    }

    /// Only one boot at a time uses the database, so the holders of all earlier boots are gone.
    /// - Returns: the number of stages that were put back.
    func recoverFromEarlierBoots(_ db: Database) throws -> Int {
        try recover(
            "SELECT job FROM stage INDEXED BY stage_running WHERE state = 'running' AND holder <> ?", holder, db)
    }

    /// - Returns: the number of stages that were put back.
    func declareGone(_ holder: HolderID, _ db: Database) throws -> Int {
        gone.insert(holder)
        return try recover(
            "SELECT job FROM stage INDEXED BY stage_running WHERE state = 'running' AND holder = ?", holder, db)
    }

    // MARK: Plans

    /// Executes a plan. Its preconditions hold by construction: only this connection writes, and
    /// the plan was made from facts of the present transaction. A debug build checks them against
    /// the rows.
    /// - Parameter hint: see ``EstimateLedger/follow(_:from:at:hint:)``.
    func execute(_ plan: LedgerPlan, on job: inout ActiveJob, hint: EstimateLedger.Hint? = nil, _ db: Database) throws {
        #if DEBUG
            reports += plan.rows == .none ? 1 : 0
            if plan.rows != .none || reports.isMultiple(of: 8) { requirePreconditions(of: plan, job.key, db) }
        #endif
        guard !plan.isEmpty else { return }
        var sequence = plan.after.head.rawValue - Int64(plan.artifactEvents.count + plan.events.count)
        for event in plan.artifactEvents {
            sequence += 1
            try append(event, to: job, sequence, at: plan.at, db)
        }
        for event in plan.events {
            sequence += 1
            try append(event, to: job, sequence, at: plan.at, db)
        }
        let (before, after) = (job.facts, plan.after)
        job.facts = after
        switch plan.rows {
        // Artifacts are written below, also with other rows.
        case .none, .artifacts: break
        case .insert:
            try insertStage(job, db)
            try insertInputFiles(plan.inputFiles, of: job, db)
        case .update:
            try writeJob(job, plan, db)
            try writeStage(job, plan, db)
        case .nextStage:
            try writeJob(job, plan, db)
            let output = try plan.stageOutput.map { try JSONText.encode($0) }
            try statements(db).completeStage.run(
                output, plan.at.millisecondsSince1970, job.key, before.life.stageIndex)
            try insertStage(job, db)
        case .stageIsDue: try statements(db).makeStageDue.run(job.key, after.life.stageIndex)
        case .checkpoint:
            let data = try plan.checkpoint.map { try JSONText.encode($0) }
            try statements(db).updateCheckpoint.run(data, job.key, after.life.stageIndex)
        }
        if plan.forgetsCrashes { try statements(db).forgetCrashes.run(job.key, after.life.stageIndex) }
        if !plan.artifacts.isEmpty { try writeArtifacts(plan, of: job, db) }
        if let end = plan.finishedAt { try statements(db).endIntermediates.run(end.millisecondsSince1970, job.key) }
        if plan.rows == .update || plan.rows == .nextStage { starts.note(after) }
        count(plan)
        estimates?.follow(
            plan, from: plan.rows == .insert ? nil : before, at: clock.reading(), hint: hint)
        remember(job)
    }

    /// Changes the counters, and adds the wake-up to the commit.
    private func count(_ plan: LedgerPlan) {
        let facts = plan.after
        if plan.queuedJobs != 0 { queued.add(plan.queuedJobs, of: facts.tenant) }
        if let queue = plan.leavesReady { waiting.add(-1, on: queue, of: facts.tenant, at: facts.priority) }
        if let queue = plan.entersReady { waiting.add(1, on: queue, of: facts.tenant, at: facts.priority) }
        commit.add(plan.wake, isPaused: paused.contains)
    }

    private func append(
        _ event: PlannedEvent, to job: ActiveJob, _ sequence: Int64, at time: Timestamp, _ db: Database
    ) throws {
        let type = event.event.type
        try statements(db).insertEvent.run(
            job.key, sequence, type.rawValue, time.millisecondsSince1970, event.payload)
        commit.add(
            CommittedEvent(
                id: EventID(epoch: epoch, sequence: EventSequence(rawValue: sequence)),
                position: EventPosition(rawValue: db.lastInsertedRowID), job: job.id, tenant: job.facts.tenant,
                pipeline: job.facts.pipeline.name, type: type, at: time, payload: event.payload))
    }

    private func writeJob(_ job: ActiveJob, _ plan: LedgerPlan, _ db: Database) throws {
        var (output, error): (String?, String?)
        switch plan.ending {
        case .succeeded(let value): output = try JSONText.encode(value)
        case .failed(let reason): error = try JSONText.encode(reason)
        case .canceled, nil: break
        }
        let life = job.facts.life
        try statements(db).updateJob.run(
            life.state.rawValue, life.phase.column, life.stageIndex, output, error,
            life.startedAt?.time.millisecondsSince1970, plan.finishedAt?.millisecondsSince1970, job.key)
    }

    private func writeStage(_ job: ActiveJob, _ plan: LedgerPlan, _ db: Database) throws {
        let (facts, life) = (job.facts, job.facts.life)
        try statements(db).updateStage.run(
            life.stageState.rawValue, life.phase.mark, life.attempt, facts.holder?.rawValue, facts.fence.rawValue,
            life.stageProgress.value, plan.dropsCheckpoint ? 1 : 0, facts.dueAt?.millisecondsSince1970,
            facts.delay?.wholeMilliseconds, life.stageStartedAt?.time.millisecondsSince1970,
            plan.finishedAt == nil ? nil : plan.at.millisecondsSince1970, facts.silentCrashes, job.key, life.stageIndex)
    }

    /// Inserts the row of the job's current stage, which waits for its first claim.
    private func insertStage(_ job: ActiveJob, _ db: Database) throws {
        let facts = job.facts
        try statements(db).insertStage.run(
            job.key, facts.life.stageIndex, facts.stage.queue.description, facts.tenant.description,
            facts.priority.rawValue)
    }

    #if DEBUG
        /// A short query. A debug build runs it for every plan that changes a row and for every
        /// eighth report.
        private func requirePreconditions(of plan: LedgerPlan, _ key: Int64, _ db: Database) {
            // Unreadable rows are found when they are needed, here as in a release build.
            let stored = try? storedState(key, db)
            guard stored != nil || plan.rows == .insert else { return }
            precondition(
                plan.preconditions.hold(forState: stored, isPaused: paused.contains),
                "a plan for \(plan.preconditions) meets \(String(describing: stored))")
        }

        private func storedState(_ key: Int64, _ db: Database) throws -> LedgerPlan.Preconditions.State? {
            let statement = try db.cachedStatement(
                sql: """
                    SELECT job.phase, stage.mark, job.stage_index, stage.fence, stage.holder, stage.due_at,
                        (SELECT max(seq) FROM event WHERE job = job.key)
                    FROM job JOIN stage ON stage.job = job.key AND stage.number = job.stage_index WHERE job.key = ?
                    """)
            guard let row = try Row.fetchOne(statement, arguments: [key]), let head = row[6] as Int64? else {
                return nil
            }
            return LedgerPlan.Preconditions.State(
                head: EventSequence(rawValue: head), phase: try JobLife.Phase(column: row[0], mark: row[1]),
                stageIndex: row[2], fence: Fence(rawValue: row[3]), holder: (row[4] as Int64?).map(HolderID.init),
                dueAt: Timestamp(column: row[5]))
        }
    #endif

    // MARK: Rows

    /// `nil` if there is no such job.
    private func key(of id: JobID, _ db: Database) throws -> Int64? {
        if let job = active.find(id) { return job.key }
        return try Int64.fetchOne(
            try db.cachedStatement(sql: "SELECT key FROM job WHERE id = ?"), arguments: [id.description])
    }

    private func tenant(of key: Int64, _ id: JobID, _ db: Database) throws -> TenantName? {
        if let job = active.find(id) { return job.facts.tenant }
        return try String.fetchOne(
            try db.cachedStatement(sql: "SELECT tenant FROM job WHERE key = ?"), arguments: [key]
        ).map(TenantName.init(unchecked:))
    }

    /// Reads the job of a row, by the row's key.
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

    /// Reads the job from the cache, or else from its rows.
    /// - Throws: ``UnreadableRow`` or a decoding error.
    func load(_ id: JobID, _ key: Int64, _ db: Database) throws -> ActiveJob {
        if let job = active.find(id) { return job }
        let job = try ActiveJobReader(starts: starts).read(id, key, db)
        remember(job)
        return job
    }

    private func remember(_ job: ActiveJob) {
        if job.facts.life.state.isFinal { active.remove(job.id) } else { active.keep(job) }
    }

    /// Removes everything in memory about this job.
    func forgetActive(_ id: JobID) {
        active.remove(id)
        starts.end(id)
    }

    /// Adds an event to the commit.
    func publish(_ event: CommittedEvent) { commit.add(event) }

    /// Adds a wake-up to the commit: a stage of the queue can be claimed.
    func wake(_ queue: QueueName) { commit.add(.ready(queue), isPaused: paused.contains) }

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

    /// Each tenant with a queued job has a share. So the cost depends on the queued jobs and not on
    /// the size of the database.
    static let queuedQuery = """
        SELECT tenant, (SELECT count(*) FROM job WHERE job.tenant = known.tenant AND job.state = 'queued')
        FROM (SELECT DISTINCT tenant FROM share) AS known
        """

    /// Writes the counters into the rows of `share`: before a claim reads them, and before COMMIT.
    func writeShares(_ db: Database) throws {
        for (share, count) in waiting.takeUnwritten() where count != 0 {
            let (queue, tenant) = (share.queue.description, share.tenant.description)
            try statements(db).updateShare.run(count, queue, tenant)
            // Not an upsert: SQLite checks the row to be inserted first, and −1 breaks `waiting >=
            // 0`.
            if db.changesCount == 0 { try statements(db).insertShare.run(queue, tenant, count) }
        }
    }
}

extension Timestamp {
    /// Converts a column of milliseconds.
    init?(column: Int64?) {
        guard let column else { return nil }
        self.init(millisecondsSince1970: column)
    }
}
