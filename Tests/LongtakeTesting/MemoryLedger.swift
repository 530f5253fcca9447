package import LongtakeCore

/// What ``MemoryJournal`` remembers: jobs with their logs, and how much each tenant was served. A value, without locks and observers.
package struct MemoryLedger: Sendable {
    package let epoch: Epoch
    private var records: [JobID: MemoryRecord] = [:]
    /// In the order of submission; a job's place in it is its list cursor.
    private var order: [JobID] = []
    private var keys: [IdempotencyKey: (fingerprint: String, job: JobID)] = [:]
    private var served: [QueueName: FairShare] = [:]
    /// Jobs whose stage waits, so that a claim need not look at all that ever were.
    private var waiting: [QueueName: Set<JobID>] = [:]
    private var paused: Set<QueueName> = []
    private var position: Int64 = 0
    /// The events of all jobs, in commit order.
    private var feed: [CommittedEvent] = []
    /// The newest event that each tenant has deleted with its job.
    private var deletedThrough: [TenantName: EventPosition] = [:]
    private var commit = Commit()
    /// What the events of ``commit`` were made from, one for each.
    private var changes: [JobEvent] = []

    /// Of one tenant.
    private let queuedMost: Int

    package init(epoch: Epoch, queuedJobsPerTenant: Int = Limits.queuedJobsPerTenantDefault) {
        self.epoch = epoch
        queuedMost = queuedJobsPerTenant
    }

    private struct IdempotencyKey: Hashable {
        let tenant: TenantName
        let text: String
    }

    /// What the commands since the last call have changed.
    package mutating func takeCommit() -> Commit {
        takeChanges().commit
    }

    /// As ``takeCommit()``, with what its events were made from, one for each.
    package mutating func takeChanges() -> (commit: Commit, events: [JobEvent]) {
        defer { (commit, changes) = (Commit(), []) }
        return (commit, changes)
    }

    /// What the commands since then have made.
    package var uncommitted: [CommittedEvent] { commit.events }

    /// How many events the commands since then have made.
    package var changeCount: Int { changes.count }

    /// The first deed of a boot: stages that the one before left in somebody's hands go back to their queues.
    package mutating func recover(at moment: ClockReading) throws {
        for id in order {
            guard let record = records[id], record.life.stageState == .running else { continue }
            let moment = moment.told(notBefore: record.lastAt)
            try apply(record.machine.decide(.recover, on: record.life, at: moment), to: id, at: moment, delay: nil)
        }
    }

    package mutating func submit(_ submission: Submission, at moment: ClockReading) throws -> SubmissionOutcome {
        let key = submission.idempotencyKey.map { IdempotencyKey(tenant: submission.tenant, text: $0) }
        let fingerprint = try submission.fingerprint()
        if let key = submission.idempotencyKey,
            let known = replay(of: key, tenant: submission.tenant, fingerprint: fingerprint)
        {
            return known
        }
        if let origin = submission.retryOf {
            guard let old = job(origin, of: submission.tenant) else { throw JournalError.noSuchJob }
            guard old.state.isRetryable else { throw JournalError.refused(.notRetryable) }
        }
        let queued = records.values.filter { $0.submission.tenant == submission.tenant && $0.life.state == .queued }
        guard queued.count < queuedMost else { throw JournalError.tooManyQueued }
        let decision = JobStateMachine(pipeline: submission.pipeline).submit(priority: submission.priority)
        records[submission.id] = MemoryRecord(
            submission: submission, number: order.count + 1, life: decision.life, createdAt: moment.time)
        order.append(submission.id)
        if let key { keys[key] = (fingerprint, submission.id) }
        try apply(decision, to: submission.id, at: moment, delay: nil)
        return .created(view(records[submission.id]!))
    }

    package func replay(of key: String, tenant: TenantName, fingerprint: String) -> SubmissionOutcome? {
        guard let (known, job) = keys[IdempotencyKey(tenant: tenant, text: key)] else { return nil }
        guard known.utf8.elementsEqual(fingerprint.utf8), let view = self.job(job, of: tenant) else { return .conflict }
        return .replayed(view)
    }

    package mutating func claim(queue: QueueName, limit: Int, at moment: ClockReading) throws -> ClaimResult {
        for id in waiting[queue] ?? [] { records[id]?.wake(at: moment.steady) }
        var claims: [Claim] = []
        while claims.count < limit, !paused.contains(queue), let id = next(on: queue), let record = records[id] {
            served[queue, default: FairShare()].charge(record.submission.tenant)
            let moment = moment.told(notBefore: record.lastAt)
            let decision = try record.machine.decide(.claim, on: record.life, at: moment)
            try apply(decision, to: id, at: moment, delay: nil)
            claims.append(records[id]!.takeClaim(position: EventPosition(rawValue: position)))
        }
        let due = (waiting[queue] ?? []).compactMap { records[$0]?.dueAt }.min()
        return ClaimResult(claims: claims, nextDue: due)
    }

    /// Carries out a worker's command.
    package mutating func change(_ claim: Claim, by command: JobCommand, at moment: ClockReading) throws -> JobState {
        guard let record = records[claim.job], record.token == claim.token else { throw JournalError.notOwner }
        let moment = moment.told(notBefore: record.lastAt)
        do {
            let decision = try record.machine.decide(command, on: record.life, at: moment)
            var delay: Duration?
            if case .retry(_, let pause) = command, decision.life.phase == .retrying { delay = pause }
            try apply(decision, to: claim.job, at: moment, delay: delay)
            return decision.life.state
        } catch let refusal as JobRefusal {
            throw JournalError.refused(refusal)
        }
    }

    package mutating func cancel(_ job: JobID, of tenant: TenantName, at moment: ClockReading) throws -> Job? {
        guard let record = records[job], record.submission.tenant == tenant else { return nil }
        let moment = moment.told(notBefore: record.lastAt)
        try apply(record.machine.decide(.cancel, on: record.life, at: moment), to: job, at: moment, delay: nil)
        return self.job(job, of: tenant)
    }

    package mutating func delete(_ job: JobID, of tenant: TenantName) throws {
        guard let record = records[job], record.submission.tenant == tenant else { throw JournalError.noSuchJob }
        guard record.life.state.isFinal else { throw JournalError.refused(.notFinal) }
        records[job] = nil
        keys = keys.filter { $0.value.job != job }
        deletedThrough[tenant] = max(
            deletedThrough[tenant] ?? .beforeFirst, feed.last { $0.job == job }?.position ?? .beforeFirst)
        feed.removeAll { $0.job == job }
    }

    /// Appends the events and moves the job to the life after them.
    private mutating func apply(
        _ decision: JobStateMachine.Decision, to id: JobID, at moment: ClockReading, delay: Duration?
    ) throws {
        guard var record = records[id] else { return }
        waiting[record.stage.queue]?.remove(id)
        for event in decision.events {
            position += 1
            let committed = try record.append(event, epoch: epoch, position: position, at: moment.time)
            commit.events.append(committed)
            changes.append(event)
            feed.append(committed)
        }
        record.move(to: decision.life, at: moment.time, dueAt: delay.map { moment.steady.advanced(by: $0) })
        records[id] = record
        guard record.life.stageState == .queued else { return }
        let queue = record.stage.queue
        waiting[queue, default: []].insert(id)
        if let due = record.dueAt {
            commit.delayedQueues[queue] = min(due, commit.delayedQueues[queue] ?? due)
        } else if !paused.contains(queue) {
            commit.readyQueues.insert(queue)
        }
    }

    package mutating func pause(_ queue: QueueName) { paused.insert(queue) }

    package mutating func resume(_ queue: QueueName) {
        paused.remove(queue)
        commit.readyQueues.insert(queue)
    }

    package func queues(of tenant: TenantName?) -> [QueueStatus] {
        var queues: [QueueName: QueueStatus] = [:]
        for record in records.values where tenant == nil || record.submission.tenant == tenant {
            let name = record.stage.queue
            if record.life.stageState == .running { queues[name, default: QueueStatus(name: name)].running += 1 }
            if record.life.stageState == .queued, record.dueAt == nil {
                queues[name, default: QueueStatus(name: name)].waiting += 1
            }
        }
        for name in paused { queues[name, default: QueueStatus(name: name)].isPaused = true }
        return queues.values.sorted { $0.name < $1.name }
    }

    /// The job whose stage is handed out next.
    private func next(on queue: QueueName) -> JobID? {
        let ready = (waiting[queue] ?? []).compactMap { records[$0] }.filter { $0.dueAt == nil }
        guard let tenant = served[queue, default: FairShare()].next(of: Set(ready.map(\.submission.tenant))) else {
            return nil
        }
        return ready.filter { $0.submission.tenant == tenant }.min { $0.comesBefore($1) }?.submission.id
    }
}

extension MemoryLedger {
    package func job(_ job: JobID, of tenant: TenantName) -> Job? {
        guard let record = records[job], record.submission.tenant == tenant else { return nil }
        return view(record)
    }

    private func view(_ record: MemoryRecord) -> Job {
        var job = record.job(epoch: epoch)
        if record.life.stageState == .queued, record.dueAt == nil {
            let all = (waiting[record.stage.queue] ?? []).compactMap { records[$0] }.filter { $0.dueAt == nil }
            let own = all.filter { $0.submission.tenant == record.submission.tenant && $0.comesBefore(record) }.count
            let others = Dictionary(grouping: all, by: \.submission.tenant).filter {
                $0.key != record.submission.tenant
            }
            job.queuePosition = QueueOutlook.position(ahead: own, others: others.values.map(\.count))
        }
        return job
    }

    package func jobs(_ query: JobQuery) -> JobPage {
        let newest = query.after.map { min(max(0, Int($0.rawValue) - 1), order.count) } ?? order.count
        let matching = order.prefix(newest).reversed().lazy.compactMap { records[$0] }.filter {
            $0.submission.tenant == query.tenant && (query.state == nil || $0.life.state == query.state)
                && (query.pipeline == nil || $0.submission.pipeline.name == query.pipeline)
        }
        let limit = min(max(1, query.limit), Limits.jobsPerPage)
        let found = Array(matching.prefix(limit + 1))
        let shown = found.prefix(limit)
        return JobPage(
            jobs: shown.map { $0.job(epoch: epoch) },
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
            events: events, head: EventSequence(rawValue: Int64(record.log.count)), isFinal: record.life.state.isFinal)
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
            events: events, reached: isCut ? events.last?.position ?? head : head, head: head,
            prunedThrough: deletedThrough[query.tenant] ?? .beforeFirst)
    }
}
