public import LongtakeCore
import Synchronization

/// A simple store in memory that passes the conformance suite. Tests of the layers above use it.
/// Its data ends with the process, so here “durable” means “in the ledger”.
///
/// Several handles can share one ledger, as several nodes share one database
/// (``anotherHandle(_:)``). A handle makes the plan of a command from a read and executes it later,
/// so another handle can commit in between.
public final class MemoryJournal: Journal {
    public let holder: HolderID
    let shared: SharedLedger
    private let schedule: any HandleSchedule
    private let batches = Mutex(0)

    public convenience init(
        epoch: Epoch = Epoch(rawValue: 0x7f3a_09c2), clock: any WallClock,
        queuedJobsPerTenant: Int = Limits.queuedJobsPerTenantDefault, schedule: any HandleSchedule = PromptSchedule()
    ) {
        self.init(
            SharedLedger(MemoryLedger(epoch: epoch, queuedJobsPerTenant: queuedJobsPerTenant), clock: clock),
            HolderID(rawValue: 1), schedule)
    }

    private init(_ shared: SharedLedger, _ holder: HolderID, _ schedule: any HandleSchedule) {
        self.shared = shared
        self.holder = holder
        self.schedule = schedule
    }

    /// Another node on the same ledger, with a holder of its own.
    public func anotherHandle(_ holder: HolderID, schedule: any HandleSchedule = PromptSchedule()) -> MemoryJournal {
        MemoryJournal(shared, holder, schedule)
    }

    public var epoch: Epoch { shared.epoch.withLock { $0 } }

    /// Begins a new epoch, as after a restore from a backup.
    public func renewEpoch(_ epoch: Epoch) async { await shared.renew(epoch) }

    public func tail(_ observer: @escaping @Sendable (TailNotice) -> Void) {
        shared.observe { [holder, schedule] commit, epoch, origin in
            guard !commit.events.isEmpty else { return }
            if origin.author == holder || schedule.hasEventsOfOthers {
                let after = schedule.hasEventsOfOthers ? nil : origin.after
                observer(TailNotice(epoch: epoch, after: after, .events(commit.events)))
            } else if let last = commit.events.last {
                observer(TailNotice(epoch: epoch, .advanced(to: last.position)))
            }
        }
    }

    public func observeWork(_ observer: @escaping @Sendable (WorkNotice) -> Void) {
        shared.observe { commit, _, _ in if !commit.work.isEmpty { observer(commit.work) } }
    }

    // MARK: Jobs

    public func submit(_ submission: Submission) async throws -> SubmissionOutcome {
        let prepared = try PreparedSubmission(submission)
        while true {
            switch try await shared.read({ try $0.judge(prepared, at: $1) }) {
            case .create(let plan):
                let outcome = try await commit { [holder] ledger, _ -> SubmissionOutcome? in
                    guard !ledger.isGone(holder) else { throw JournalError.gone }
                    guard ledger.execute(plan, of: prepared) == .done else { return nil }
                    return ledger.job(submission.id, of: submission.tenant).map { .created($0) }
                }
                if let outcome { return outcome }
            case .replay, .conflict:
                let known = try await replay(
                    of: submission.idempotencyKey ?? "", tenant: submission.tenant,
                    fingerprint: prepared.fingerprint ?? "")
                // `nil` if the job was deleted meanwhile: the key is new again.
                if let known { return known }
            }
        }
    }

    public func replay(of key: String, tenant: TenantName, fingerprint: String) async throws -> SubmissionOutcome? {
        try await shared.read { ledger, _ in ledger.replay(of: key, tenant: tenant, fingerprint: fingerprint) }
    }

    public func cancel(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        while true {
            let facts = try await shared.read { ledger, _ in ledger.facts(of: job) }
            guard let facts, facts.tenant == tenant else { return nil }
            let plan = try LedgerPlan.cancel(facts, at: shared.clock.reading())
            let isDone = try await commit { [holder] ledger, _ in
                guard !ledger.isGone(holder) else { throw JournalError.gone }
                return ledger.execute(plan) == .done
            }
            if isDone { return try await self.job(job, of: tenant) }
        }
    }

    public func delete(_ job: JobID, of tenant: TenantName) async throws {
        try await commit { [holder] ledger, _ in
            guard !ledger.isGone(holder) else { throw JournalError.gone }
            try ledger.delete(job, of: tenant)
        }
    }

    public func job(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        try await shared.read { ledger, _ in ledger.job(job, of: tenant) }
    }

    public func jobs(_ query: JobQuery) async throws -> JobPage {
        try await shared.read { ledger, _ in ledger.jobs(query) }
    }

    // MARK: Work

    public func claim(queue: QueueName, limit: Int, for holder: HolderID) async throws -> ClaimResult {
        try await commit { try $0.claim(queue: queue, limit: limit, for: holder, at: $1) }
    }

    public func report(_ report: StageReport, for claim: Claim) async throws -> ReportAnswer {
        do {
            _ = try await change(claim, by: .report(report))
            return .goOn
        } catch JournalError.refused(.canceling) {
            return .canceling
        } catch JournalError.notOwner, JournalError.refused {
            return .lost
        }
    }

    public func finish(_ claim: Claim, with outcome: StageOutcome) async throws -> JobState {
        try await change(claim, by: outcome.command)
    }

    func change(_ claim: Claim, by command: JobCommand) async throws -> JobState {
        while true {
            let plan = try await shared.read { ledger, moment throws -> LedgerPlan in
                guard !ledger.isGone(claim.holder), let facts = ledger.facts(of: claim.job) else {
                    throw JournalError.notOwner
                }
                let plan = try LedgerPlan.work(command, by: claim.id, of: claim.holder, on: facts, at: moment)
                try plan.requireOwnNames { ledger.maker(of: $0, in: claim.job) }
                return plan
            }
            let isDone = try await commit { ledger, _ in
                // The check runs in the transaction of the write: a holder that was declared gone
                // writes nothing more.
                guard !ledger.isGone(claim.holder) else { throw JournalError.notOwner }
                return ledger.execute(plan) == .done
            }
            if isDone { return plan.after.life.state }
        }
    }

    public func beat(_ holder: HolderID) async throws -> LeaseAnswer {
        try await shared.read { ledger, _ in ledger.isGone(holder) ? .gone : .held }
    }

    @discardableResult
    public func declareGone(_ holder: HolderID) async throws -> Int {
        try await commit { try $0.declareGone(holder, at: $1) }
    }

    // MARK: Log and queues

    public func events(
        of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int
    ) async throws -> EventPage? {
        try await shared.read { ledger, _ in ledger.events(of: job, of: tenant, after: after, limit: limit) }
    }

    public func events(_ query: FeedQuery) async throws -> FeedPage {
        try await shared.read { ledger, _ in ledger.events(query) }
    }

    public func queues(of tenant: TenantName?) async throws -> [QueueStatus] {
        try await shared.read { ledger, _ in ledger.queues(of: tenant) }
    }

    public func pause(_ queue: QueueName) async throws { try await commit { ledger, _ in ledger.pause(queue) } }

    public func resume(_ queue: QueueName) async throws { try await commit { ledger, _ in ledger.resume(queue) } }

    public func checkWritable() async throws { try await shared.read { _, _ in } }

    public func close() async throws { await shared.close() }

    // MARK: Batches

    /// Commits one batch of this handle, at the time that its schedule chooses.
    ///
    /// If the answer is lost, the batch may still commit later. So the handle settles the batch by
    /// its number. If the batch has committed, its result is valid. Otherwise it can never commit,
    /// and the handle tries a new batch.
    func commit<Value: Sendable>(
        _ body: @escaping @Sendable (inout MemoryLedger, ClockReading) throws -> Value
    ) async throws -> Value {
        while true {
            await schedule.beforeCommit()
            let batch = batches.withLock { number in
                number += 1
                return Batch(holder: holder, number: number)
            }
            guard schedule.losesAnswer() else { return try await shared.commit(batch, body) }
            let late = LostResult<Value>()
            // Unstructured: the batch continues without its caller.
            let sent = Task { [shared, schedule] in
                await schedule.beforeCommit()
                do {
                    let value = try await shared.commit(batch, body)
                    late.result.withLock { $0 = .success(value) }
                } catch {
                    late.result.withLock { $0 = .failure(error) }
                }
            }
            let hasCommitted = await shared.settle(batch)
            await sent.value
            if hasCommitted, let result = late.result.withLock({ $0 }) { return try result.get() }
        }
    }
}

/// The result of a batch whose answer was lost.
private final class LostResult<Value: Sendable>: Sendable {
    let result = Mutex<Result<Value, any Error>?>(nil)
}

/// The number of one write of a handle. With it the handle finds out whether the write has
/// committed.
struct Batch: Hashable, Sendable {
    let holder: HolderID
    let number: Int
}

/// Decides when the batches of a handle commit, and what the handle learns of other handles.
public protocol HandleSchedule: Sendable {
    /// Waits between making a plan and committing it. Other handles may commit meanwhile.
    func beforeCommit() async
    /// Whether the answer to the next batch is lost.
    func losesAnswer() -> Bool
    /// Whether the handle's tail contains the events of other handles, or only announces them.
    var hasEventsOfOthers: Bool { get }
}

/// A schedule without delays and losses.
public struct PromptSchedule: HandleSchedule {
    public init() {}
    public func beforeCommit() async {}
    public func losesAnswer() -> Bool { false }
    public var hasEventsOfOthers: Bool { true }
}

/// A schedule with all delays and losses that the protocols allow. The same seed makes the same
/// choices, but the order of the tasks may differ.
public final class HostileSchedule: HandleSchedule {
    private let random: Mutex<Seeded>

    /// - Parameter seed: not 0.
    public init(seed: UInt64) { random = Mutex(Seeded(state: seed)) }

    public func beforeCommit() async {
        let turns = random.withLock { Int.random(in: 0...4, using: &$0) }
        for _ in 0..<turns { await Task.yield() }
    }

    public func losesAnswer() -> Bool { random.withLock { Int.random(in: 0..<4, using: &$0) == 0 } }
    public var hasEventsOfOthers: Bool { false }
}

/// Executes one batch at a time, and notifies the observers before it returns to the caller. It is
/// an actor, so the observers get the commits in order.
actor SharedLedger {
    /// The author of a commit, and the position of the last event before it.
    struct Origin: Sendable {
        let author: HolderID
        let after: EventPosition
    }

    typealias Observer = @Sendable (Commit, Epoch, Origin) -> Void

    nonisolated let clock: any WallClock
    nonisolated let epoch: Mutex<Epoch>
    nonisolated private let observers = Mutex<[Observer]>([])
    private var state: MemoryLedger
    private var settled: Set<Batch> = []
    private var isClosed = false

    init(_ state: MemoryLedger, clock: any WallClock) {
        self.clock = clock
        self.state = state
        epoch = Mutex(state.epoch)
    }

    nonisolated func observe(_ observer: @escaping Observer) { observers.withLock { $0.append(observer) } }

    func read<Value: Sendable>(_ query: @Sendable (MemoryLedger, ClockReading) throws -> Value) throws -> Value {
        guard !isClosed else { throw JournalError.closed }
        return try query(state, clock.reading())
    }

    func commit<Value: Sendable>(
        _ batch: Batch, _ body: @Sendable (inout MemoryLedger, ClockReading) throws -> Value
    ) throws -> Value {
        guard !isClosed else { throw JournalError.closed }
        guard settled.insert(batch).inserted else { throw JournalError.unanswered }
        // A command makes its plan before it changes the ledger. So a command that throws has
        // changed nothing.
        let after = state.head
        let value = try body(&state, clock.reading())
        let commit = state.takeCommit()
        if !commit.isEmpty {
            let origin = Origin(author: batch.holder, after: after)
            for observer in observers.withLock({ $0 }) { observer(commit, state.epoch, origin) }
        }
        return value
    }

    /// Returns whether a batch has committed. If it has not, it never can from now on.
    func settle(_ batch: Batch) -> Bool { !settled.insert(batch).inserted }

    func renew(_ new: Epoch) {
        state.renewEpoch(new)
        epoch.withLock { $0 = new }
    }

    func close() {
        isClosed = true
        // Observers hold the parts of a daemon, and these hold the journal.
        observers.withLock { $0 = [] }
    }
}
