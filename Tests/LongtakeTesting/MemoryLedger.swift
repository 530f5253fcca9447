package import LongtakeCore

/// What ``MemoryJournal`` remembers: jobs with their logs, and how much each tenant was served. A value,
/// without locks and observers, that executes plans as any store does.
package struct MemoryLedger: Sendable {
    package private(set) var epoch: Epoch
    private var records: [JobID: MemoryRecord] = [:]
    /// In the order of submission. A job's index in it is its list cursor.
    private var order: [JobID] = []
    private var keys: [IdempotencyKey: (fingerprint: String, job: JobID)] = [:]
    private var served: [QueueName: Served] = [:]
    /// Jobs whose stage waits, so that a claim need not look at all that ever were.
    private var waiting: [QueueName: Set<JobID>] = [:]
    private var paused: Set<QueueName> = []
    private var gone: Set<HolderID> = []
    private var position: Int64 = 0
    /// The events of all jobs, in commit order.
    private var feed: [CommittedEvent] = []
    /// The newest event that each tenant has deleted with its job.
    private var deletedThrough: [TenantName: EventPosition] = [:]
    private var commit = Commit()
    /// What the events of ``commit`` were made from, one for each.
    private var changes: [JobEvent] = []
    /// How many jobs each tenant has queued.
    private var queuedJobs: [TenantName: Int] = [:]
    /// How many stages of each queue can be claimed, counted as the plans say.
    private var readyStages: [QueueName: Int] = [:]

    /// Of one tenant.
    private let queuedJobsLimit: Int

    package init(epoch: Epoch, queuedJobsPerTenant: Int = Limits.queuedJobsPerTenantDefault) {
        self.epoch = epoch
        queuedJobsLimit = queuedJobsPerTenant
    }

    private struct IdempotencyKey: Hashable {
        let tenant: TenantName
        let text: String
    }

    /// The shares of one queue.
    private struct Served {
        var tenants: [TenantName: FairShare.Served] = [:]
        var virtual: FairShare.Served = 0
    }

    /// What became of a plan.
    package enum Answer {
        case done
        /// One of its preconditions does not hold: nothing was written. Judge the command again.
        case stale
    }

    /// As if the history had been replaced by another one that begins the same.
    package mutating func renewEpoch(_ epoch: Epoch) {
        self.epoch = epoch
        for job in order { records[job]?.renewEpoch(epoch) }
        feed = feed.map { $0.renamed(to: epoch) }
    }

    // MARK: Commits

    /// What the commands since the last call have changed.
    package mutating func takeCommit() -> Commit {
        takeChanges().commit
    }

    /// As ``takeCommit()``, with what its events were made from, one for each.
    package mutating func takeChanges() -> (commit: Commit, events: [JobEvent]) {
        defer { (commit, changes) = (Commit(), []) }
        return (commit, changes)
    }

    /// The newest position.
    package var head: EventPosition { EventPosition(rawValue: position) }

    /// The events of the commands since then.
    package var uncommitted: [CommittedEvent] { commit.events }

    /// How many events the commands since then have made.
    package var changeCount: Int { changes.count }

    // MARK: Facts and plans

    /// `nil` if there is no such job.
    package func facts(of job: JobID) -> JobFacts? { records[job]?.facts }

    package func facts(of submission: PreparedSubmission) -> SubmissionFacts {
        let tenant = submission.submission.tenant
        var facts = SubmissionFacts(queuedJobs: queuedJobs[tenant] ?? 0)
        if let key = submission.submission.idempotencyKey {
            facts.knownFingerprint = keys[IdempotencyKey(tenant: tenant, text: key)]?.fingerprint
        }
        if let origin = submission.submission.retryOf {
            facts.origin = job(origin, of: tenant).map { .found($0.state) } ?? .missing
        }
        return facts
    }

    /// What the plans have counted.
    package func queuedJobs(of tenant: TenantName) -> Int { queuedJobs[tenant] ?? 0 }

    /// What the plans have counted.
    package func readyStages(on queue: QueueName) -> Int { readyStages[queue] ?? 0 }

    package func isGone(_ holder: HolderID) -> Bool { gone.contains(holder) }

    /// Executes a plan about a job that exists, if its preconditions hold.
    package mutating func execute(_ plan: LedgerPlan) -> Answer {
        let id = plan.after.id
        guard plan.preconditions.hold(for: records[id]?.facts, isPaused: paused.contains), plan.rows != .insert else {
            return .stale
        }
        guard !plan.isEmpty else { return .done }
        write(plan)
        return .done
    }

    /// Executes the plan of a submission, if its job and its key are new and the tenant may have one more queued.
    package mutating func execute(_ plan: LedgerPlan, of submission: PreparedSubmission) -> Answer {
        let new = submission.submission
        let key = new.idempotencyKey.map { IdempotencyKey(tenant: new.tenant, text: $0) }
        guard plan.preconditions.hold(for: records[new.id]?.facts, isPaused: paused.contains),
            key.map({ keys[$0] == nil }) ?? true, queuedJobs[new.tenant] ?? 0 < queuedJobsLimit
        else { return .stale }
        records[new.id] = MemoryRecord(new, number: order.count + 1, facts: submission.facts, createdAt: plan.at)
        order.append(new.id)
        if let key, let fingerprint = submission.fingerprint { keys[key] = (fingerprint, new.id) }
        write(plan)
        return .done
    }

    private mutating func write(_ plan: LedgerPlan) {
        let facts = plan.after
        guard let events = records[facts.id]?.execute(plan, epoch: epoch, position: &position) else { return }
        for (planned, event) in zip(plan.events, events) {
            commit.add(event)
            changes.append(planned.event)
            feed.append(event)
        }
        if let queue = plan.leavesReady {
            waiting[queue]?.remove(facts.id)
            readyStages[queue, default: 0] -= 1
        }
        if let queue = plan.entersReady {
            waiting[queue, default: []].insert(facts.id)
            readyStages[queue, default: 0] += 1
        }
        if case .later(let queue, _) = plan.wake { waiting[queue, default: []].insert(facts.id) }
        if facts.life.stageState != .queued { waiting[facts.stage.queue]?.remove(facts.id) }
        queuedJobs[facts.tenant, default: 0] += plan.queuedJobs
        commit.add(plan.wake, isPaused: paused.contains)
    }

    // MARK: Commands, judged and executed at once

    package mutating func submit(_ submission: PreparedSubmission, at moment: ClockReading) throws -> SubmissionOutcome
    {
        let new = submission.submission
        let judgement = try SubmissionJudgement(
            submission, on: facts(of: submission), queuedJobsLimit: queuedJobsLimit, at: moment)
        switch judgement {
        case .create(let plan):
            guard execute(plan, of: submission) == .done, let record = records[new.id] else {
                preconditionFailure("a plan was stale at once")
            }
            return .created(view(record))
        case .replay:
            // The judgement has compared the content. A store that compared it again would hide a
            // wrong judgement.
            let known = new.idempotencyKey.flatMap { keys[IdempotencyKey(tenant: new.tenant, text: $0)]?.job }
            guard let view = known.flatMap({ job($0, of: new.tenant) }) else {
                preconditionFailure("a key that is unknown is replayed")
            }
            return .replayed(view)
        case .conflict: return .conflict
        }
    }

    /// The judgement alone, for a store whose plans are executed later.
    package func judge(
        _ submission: PreparedSubmission, at moment: ClockReading
    ) throws(JournalError) -> SubmissionJudgement {
        try SubmissionJudgement(submission, on: facts(of: submission), queuedJobsLimit: queuedJobsLimit, at: moment)
    }

    package func replay(of key: String, tenant: TenantName, fingerprint: String) -> SubmissionOutcome? {
        guard let (known, job) = keys[IdempotencyKey(tenant: tenant, text: key)] else { return nil }
        guard known.utf8.elementsEqual(fingerprint.utf8), let view = self.job(job, of: tenant) else { return .conflict }
        return .replayed(view)
    }

    package mutating func claim(
        queue: QueueName, limit: Int, for holder: HolderID, at moment: ClockReading
    ) throws -> ClaimResult {
        guard !gone.contains(holder) else { throw JournalError.notOwner }
        for id in waiting[queue] ?? [] {
            guard let facts = records[id]?.facts, let due = facts.dueAt, Self.isOver(due, at: moment) else { continue }
            _ = execute(.stageIsDue(facts, at: moment))
        }
        var claims: [Claim] = []
        while claims.count < limit, !paused.contains(queue), let record = next(on: queue) {
            let plan = try LedgerPlan.claim(by: holder, on: record.facts, at: moment)
            charge(record.facts.tenant, on: queue)
            guard execute(plan) == .done, let claimed = records[record.facts.id] else {
                preconditionFailure("a plan was stale at once")
            }
            claims.append(claimed.claim(for: holder, checkpoint: claimed.checkpoint))
        }
        let due = (waiting[queue] ?? []).compactMap { records[$0]?.facts.dueAt }.min()
        return ClaimResult(claims: claims, nextDue: due)
    }

    /// A due time that is further away than any wait was made before the clock was set back.
    private static func isOver(_ due: Timestamp, at moment: ClockReading) -> Bool {
        due <= moment.steady || due > moment.steady.advanced(by: Limits.maximumRetryWait)
    }

    /// Carries out a command of a claim's holder.
    package mutating func change(_ claim: Claim, by command: JobCommand, at moment: ClockReading) throws -> JobState {
        guard !gone.contains(claim.holder), let facts = facts(of: claim.job) else { throw JournalError.notOwner }
        let plan = try LedgerPlan.work(command, by: claim.id, of: claim.holder, on: facts, at: moment)
        _ = execute(plan)
        return plan.after.life.state
    }

    package mutating func cancel(_ job: JobID, of tenant: TenantName, at moment: ClockReading) throws -> Job? {
        guard let facts = facts(of: job), facts.tenant == tenant else { return nil }
        _ = execute(try LedgerPlan.cancel(facts, at: moment))
        return self.job(job, of: tenant)
    }

    /// Puts the stages of a holder back to their queues, and refuses what it writes later.
    /// - Returns: how many stages those were.
    @discardableResult
    package mutating func declareGone(_ holder: HolderID, at moment: ClockReading) throws -> Int {
        gone.insert(holder)
        return try recover(at: moment) { $0 == holder }
    }

    /// The first act of a boot that has the ledger to itself: all other holders are gone.
    package mutating func recover(allBut holder: HolderID, at moment: ClockReading) throws {
        _ = try recover(at: moment) { $0 != holder }
    }

    private mutating func recover(at moment: ClockReading, where isGone: (HolderID) -> Bool) throws -> Int {
        var count = 0
        for id in order {
            guard let facts = records[id]?.facts, let holder = facts.holder, isGone(holder) else { continue }
            _ = execute(try LedgerPlan.recover(facts, at: moment))
            count += 1
        }
        return count
    }

    package mutating func delete(_ job: JobID, of tenant: TenantName) throws {
        let facts = facts(of: job).flatMap { $0.tenant == tenant ? $0 : nil }
        try JobState.requireDeletable(facts?.life.state)
        records[job] = nil
        keys = keys.filter { $0.value.job != job }
        deletedThrough[tenant] = max(
            deletedThrough[tenant] ?? .beforeFirst, feed.last { $0.job == job }?.position ?? .beforeFirst)
        feed.removeAll { $0.job == job }
    }

    package mutating func pause(_ queue: QueueName) { paused.insert(queue) }

    package mutating func resume(_ queue: QueueName) {
        paused.remove(queue)
        commit.add(.ready(queue), isPaused: paused.contains)
    }

    package func queues(of tenant: TenantName?) -> [QueueStatus] {
        var queues: [QueueName: QueueStatus] = [:]
        for record in records.values where tenant == nil || record.submission.tenant == tenant {
            let name = record.facts.stage.queue
            if record.facts.life.stageState == .running { queues[name, default: QueueStatus(name: name)].running += 1 }
            if record.facts.isReady { queues[name, default: QueueStatus(name: name)].waiting += 1 }
        }
        for name in paused { queues[name, default: QueueStatus(name: name)].isPaused = true }
        return queues.values.sorted { $0.name < $1.name }
    }

    // MARK: Claim order

    /// The job whose stage is handed out next.
    private func next(on queue: QueueName) -> MemoryRecord? {
        let ready = (waiting[queue] ?? []).compactMap { records[$0] }.filter(\.facts.isReady)
        let shares = served[queue]?.tenants ?? [:]
        let tenant = Set(ready.map(\.facts.tenant)).min { (shares[$0] ?? 0, $0) < (shares[$1] ?? 0, $1) }
        return ready.filter { $0.facts.tenant == tenant }.min { $0.comesBefore($1) }
    }

    private mutating func charge(_ tenant: TenantName, on queue: QueueName) {
        var shares = served[queue] ?? Served()
        let charged = FairShare.charge(shares.tenants[tenant] ?? 0, virtual: shares.virtual)
        shares.tenants[tenant] = charged.served
        shares.virtual = charged.virtual
        served[queue] = shares
    }
}

extension MemoryLedger {
    package func job(_ job: JobID, of tenant: TenantName) -> Job? {
        guard let record = records[job], record.submission.tenant == tenant else { return nil }
        return view(record)
    }

    private func view(_ record: MemoryRecord) -> Job {
        var job = record.job(epoch: epoch)
        if record.facts.isReady {
            let all = (waiting[record.facts.stage.queue] ?? []).compactMap { records[$0] }.filter(\.facts.isReady)
            let own = all.filter { $0.submission.tenant == record.submission.tenant && $0.comesBefore(record) }.count
            let others = Dictionary(grouping: all, by: \.submission.tenant).filter {
                $0.key != record.submission.tenant
            }
            job.queuePosition = QueuePosition.estimate(ahead: own, others: others.values.map(\.count))
        }
        return job
    }

    package func jobs(_ query: JobQuery) -> JobPage {
        let newest = query.after.map { min(max(0, Int($0.rawValue) - 1), order.count) } ?? order.count
        let matching = order.prefix(newest).reversed().lazy.compactMap { records[$0] }.filter {
            $0.submission.tenant == query.tenant && (query.state == nil || $0.facts.life.state == query.state)
                && (query.pipeline == nil || $0.submission.pipeline.name == query.pipeline)
        }
        let limit = min(max(1, query.limit), Limits.jobsPerPage)
        let found = Array(matching.prefix(limit + 1))
        let shown = found.prefix(limit)
        return JobPage(
            epoch: epoch, jobs: shown.map { $0.job(epoch: epoch) },
            next: found.count > limit ? shown.last.map { JobListCursor(rawValue: Int64($0.number)) } : nil,
            position: EventPosition(rawValue: position))
    }

    package func events(of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int) -> EventPage? {
        guard let record = records[job], record.submission.tenant == tenant else { return nil }
        var (events, bytes) = ([CommittedEvent](), 0)
        for event in record.log.dropFirst(Int(max(0, after.rawValue))).prefix(max(1, limit)) {
            bytes += event.json.utf8.count
            if bytes > Limits.bytesPerPage, !events.isEmpty { break }
            events.append(event)
        }
        return EventPage(
            epoch: epoch, events: events, head: EventSequence(rawValue: Int64(record.log.count)),
            isFinal: record.facts.life.state.isFinal)
    }

    package func events(_ query: FeedQuery) -> FeedPage {
        let head = EventPosition(rawValue: position)
        let matching = feed.lazy.filter {
            $0.position > query.after && $0.tenant == query.tenant
                && query.filter.accepts(job: $0.job, pipeline: $0.pipeline, type: $0.type)
        }
        let events = Array(matching.prefix(max(1, query.limit)))
        let isCut = events.count == max(1, query.limit)
        return FeedPage(
            epoch: epoch, events: events, reached: isCut ? events.last?.position ?? head : head, head: head,
            prunedThrough: deletedThrough[query.tenant] ?? .beforeFirst)
    }
}
