package import LongtakeCore

/// The data of ``MemoryJournal``: jobs with their event logs, and the share that each tenant has
/// used. It is a value without locks and observers, and executes plans as every store does.
package struct MemoryLedger: Sendable {
    package private(set) var epoch: Epoch
    var records: [JobID: MemoryRecord] = [:]
    /// All jobs in the order of submission.
    private var order: [JobID] = []
    private var keys: [IdempotencyKey: (fingerprint: String, job: JobID)] = [:]
    private var served: [QueueName: Served] = [:]
    /// The jobs whose stage waits, so that a claim does not have to read all jobs.
    private var waiting: [QueueName: Set<JobID>] = [:]
    private var paused: Set<QueueName> = []
    private var gone: Set<HolderID> = []
    private var position: Int64 = 0
    /// The events of all jobs, in commit order.
    private var feed: [CommittedEvent] = []
    /// The position of the newest event that each tenant has deleted with a job.
    private var deletedThrough: [TenantName: EventPosition] = [:]
    private var commit = Commit()
    /// The values of the events of ``commit``, one for each.
    private var changes: [JobEvent] = []
    /// The number of queued jobs of each tenant, as the plans count them.
    private var queuedJobs: [TenantName: Int] = [:]
    /// The number of stages of each queue that can be claimed, as the plans count them.
    private var readyStages: [QueueName: Int] = [:]

    /// Uploaded files, and the content that may be unused.
    var files = MemoryFiles()

    /// The limit of queued jobs for each tenant.
    private let queuedJobsLimit: Int

    package init(epoch: Epoch, queuedJobsPerTenant: Int = Limits.queuedJobsPerTenantDefault) {
        self.epoch = epoch
        queuedJobsLimit = queuedJobsPerTenant
    }

    private struct IdempotencyKey: Hashable {
        let tenant: TenantName
        let text: String
    }

    /// The used shares of one queue.
    private struct Served {
        var tenants: [TenantName: FairShare.Served] = [:]
        var virtual: FairShare.Served = 0
    }

    /// The result of executing a plan.
    package enum Answer {
        case done
        /// A precondition does not hold, and nothing was written. The caller must make a new plan.
        case stale
    }

    /// Begins a new epoch, as after a restore from a backup.
    package mutating func renewEpoch(_ epoch: Epoch) {
        self.epoch = epoch
        for job in order { records[job]?.renewEpoch(epoch) }
        feed = feed.map { $0.renamed(to: epoch) }
    }

    // MARK: Commits

    /// The changes of the commands since the last call.
    package mutating func takeCommit() -> Commit {
        takeChanges().commit
    }

    /// As ``takeCommit()``, with the values of its events, one for each.
    package mutating func takeChanges() -> (commit: Commit, events: [JobEvent]) {
        defer { (commit, changes) = (Commit(), []) }
        return (commit, changes)
    }

    /// The newest position.
    package var head: EventPosition { EventPosition(rawValue: position) }

    /// The events of the commands since the last commit.
    package var uncommitted: [CommittedEvent] { commit.events }

    /// The number of events of the commands since the last commit.
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
        if facts.knownFingerprint == nil { facts.content = content(of: submission.submission) }
        return facts
    }

    /// The number of queued jobs, as the plans count them.
    package func queuedJobs(of tenant: TenantName) -> Int { queuedJobs[tenant] ?? 0 }

    /// The number of stages that can be claimed, as the plans count them.
    package func readyStages(on queue: QueueName) -> Int { readyStages[queue] ?? 0 }

    package func isGone(_ holder: HolderID) -> Bool { gone.contains(holder) }

    /// Executes a plan for an existing job, if its preconditions hold.
    package mutating func execute(_ plan: LedgerPlan) -> Answer {
        let id = plan.after.id
        guard plan.preconditions.hold(for: records[id]?.facts, isPaused: paused.contains), plan.rows != .insert else {
            return .stale
        }
        guard !plan.isEmpty else { return .done }
        precondition(
            (try? plan.requireOwnNames { maker(of: $0, in: id) }) != nil, "a plan takes a name of another stage")
        write(plan)
        return .done
    }

    /// Executes the plan of a submission, if its job and its key are new and the tenant is below
    /// its limit of queued jobs.
    package mutating func execute(_ plan: LedgerPlan, of submission: PreparedSubmission) -> Answer {
        let new = submission.submission
        let key = new.idempotencyKey.map { IdempotencyKey(tenant: new.tenant, text: $0) }
        guard plan.preconditions.hold(for: records[new.id]?.facts, isPaused: paused.contains),
            key.map({ keys[$0] == nil }) ?? true, queuedJobs[new.tenant] ?? 0 < queuedJobsLimit,
            hasContent(of: plan, for: new)
        else { return .stale }
        records[new.id] = MemoryRecord(new, number: order.count + 1, facts: submission.facts, createdAt: plan.at)
        order.append(new.id)
        if let key, let fingerprint = submission.fingerprint { keys[key] = (fingerprint, new.id) }
        write(plan)
        return .done
    }

    private mutating func write(_ plan: LedgerPlan) {
        let facts = plan.after
        let content = records[facts.id]?.content ?? []
        defer { files.mayBeUnused(content, of: facts.tenant, still: records[facts.id]?.content ?? []) }
        guard let events = records[facts.id]?.execute(plan, epoch: epoch, position: &position) else { return }
        for (planned, event) in zip(plan.artifactEvents + Array(plan.events), events) {
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

    // MARK: Commands whose plan is executed at once

    package mutating func submit(_ submission: PreparedSubmission, at moment: ClockReading) throws -> SubmissionOutcome
    {
        let new = submission.submission
        let judgement = try SubmissionJudgement(
            submission, on: facts(of: submission), queuedJobsLimit: queuedJobsLimit, at: moment)
        switch judgement {
        case .create(let plan):
            guard execute(plan, of: submission) == .done, let record = records[new.id] else {
                preconditionFailure("a new plan is already stale")
            }
            return .created(view(record))
        case .replay:
            // The judgement has compared the content. If the store compared it again, it would hide
            // a wrong judgement.
            let known = new.idempotencyKey.flatMap { keys[IdempotencyKey(tenant: new.tenant, text: $0)]?.job }
            guard let view = known.flatMap({ job($0, of: new.tenant) }) else {
                preconditionFailure("an unknown key is replayed")
            }
            return .replayed(view)
        case .conflict: return .conflict
        }
    }

    /// Makes the judgement of a submission, for a store that executes the plan later.
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
            guard let facts = records[id]?.facts, facts.isDue(at: moment) else { continue }
            _ = execute(.stageIsDue(facts, at: moment))
        }
        var claims: [Claim] = []
        while claims.count < limit, !paused.contains(queue), let record = next(on: queue) {
            let plan = try LedgerPlan.claim(by: holder, on: record.facts, at: moment)
            charge(record.facts.tenant, on: queue)
            guard execute(plan) == .done, let claimed = records[record.facts.id] else {
                preconditionFailure("a new plan is already stale")
            }
            claims.append(claimed.claim(for: holder, checkpoint: claimed.checkpoint))
        }
        let due = (waiting[queue] ?? []).compactMap { records[$0]?.facts.dueAt }.min()
        return ClaimResult(claims: claims, nextDue: due)
    }

    /// Executes a command of a claim's holder.
    package mutating func change(_ claim: Claim, by command: JobCommand, at moment: ClockReading) throws -> JobState {
        guard !gone.contains(claim.holder), let facts = facts(of: claim.job) else { throw JournalError.notOwner }
        let plan = try LedgerPlan.work(command, by: claim.id, of: claim.holder, on: facts, at: moment)
        try plan.requireOwnNames { maker(of: $0, in: claim.job) }
        _ = execute(plan)
        return plan.after.life.state
    }

    package mutating func cancel(_ job: JobID, of tenant: TenantName, at moment: ClockReading) throws -> Job? {
        guard let facts = facts(of: job), facts.tenant == tenant else { return nil }
        _ = execute(try LedgerPlan.cancel(facts, at: moment))
        return self.job(job, of: tenant)
    }

    /// Returns the stages of a holder to their queues, and rejects its later writes.
    /// - Returns: the number of these stages.
    @discardableResult
    package mutating func declareGone(_ holder: HolderID, at moment: ClockReading) throws -> Int {
        gone.insert(holder)
        return try recover(at: moment) { $0 == holder }
    }

    /// Recovers at the start of a boot that is the only user of the ledger: all other holders are
    /// gone.
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
        files.mayBeUnused(records[job]?.content ?? [], of: tenant)
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

    /// The job whose stage the next claim gets.
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
    /// The state of a job of any tenant.
    package func state(of job: JobID) -> JobState? { records[job]?.facts.life.state }

    package func job(_ job: JobID, of tenant: TenantName) -> Job? {
        guard let record = records[job], record.submission.tenant == tenant else { return nil }
        var job = view(record)
        job.artifacts = record.artifactRecords
        return job
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
