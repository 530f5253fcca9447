public import LongtakeCore
import Synchronization

/// The journal in memory: the plainest implementation that passes the conformance suite, and what tests of the layers above use.
///
/// Nothing survives it, so for it “durable” means “in the ledger”.
public final class MemoryJournal: Journal {
    public let epoch: Epoch
    private let ledger: Ledger

    public init(
        epoch: Epoch = Epoch(rawValue: 0x7f3a_09c2), clock: any WallClock,
        queuedJobsPerTenant: Int = Limits.queuedJobsPerTenantDefault
    ) {
        self.epoch = epoch
        ledger = Ledger(MemoryLedger(epoch: epoch, queuedJobsPerTenant: queuedJobsPerTenant), clock: clock)
    }

    public func observeCommits(_ observer: @escaping @Sendable (Commit) -> Void) {
        ledger.observers.withLock { $0.append(observer) }
    }

    public func submit(_ submission: Submission) async throws -> SubmissionOutcome {
        try await ledger.write { try $0.submit(submission, at: $1) }
    }

    public func replay(of key: String, tenant: TenantName, fingerprint: String) async throws -> SubmissionOutcome? {
        try await ledger.read { $0.replay(of: key, tenant: tenant, fingerprint: fingerprint) }
    }

    public func claim(queue: QueueName, limit: Int) async throws -> ClaimResult {
        try await ledger.write { try $0.claim(queue: queue, limit: limit, at: $1) }
    }

    public func report(_ report: StageReport, for claim: Claim) async throws {
        try await ledger.write { _ = try $0.change(claim, by: .report(report), at: $1) }
    }

    public func finish(_ claim: Claim, with outcome: StageOutcome) async throws -> JobState {
        try await ledger.write { try $0.change(claim, by: outcome.command, at: $1) }
    }

    public func cancel(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        try await ledger.write { try $0.cancel(job, of: tenant, at: $1) }
    }

    public func delete(_ job: JobID, of tenant: TenantName) async throws {
        try await ledger.write { ledger, _ in try ledger.delete(job, of: tenant) }
    }

    public func job(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        try await ledger.read { $0.job(job, of: tenant) }
    }

    public func jobs(_ query: JobQuery) async throws -> JobPage {
        try await ledger.read { $0.jobs(query) }
    }

    public func events(
        of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int
    ) async throws -> EventPage? {
        try await ledger.read { $0.events(of: job, of: tenant, after: after, limit: limit) }
    }

    public func events(_ query: FeedQuery) async throws -> FeedPage {
        try await ledger.read { $0.events(query) }
    }

    public func queues(of tenant: TenantName?) async throws -> [QueueStatus] {
        try await ledger.read { $0.queues(of: tenant) }
    }

    public func pause(_ queue: QueueName) async throws { try await ledger.write { ledger, _ in ledger.pause(queue) } }

    public func resume(_ queue: QueueName) async throws {
        try await ledger.write { ledger, _ in ledger.resume(queue) }
    }

    public func checkWritable() async throws {
        try await ledger.read { _ in }
    }

    public func close() async throws {
        await ledger.close()
    }
}

/// Carries out one command at a time and tells the observers before its caller goes on. An actor, because commits are told in line.
private actor Ledger {
    nonisolated let observers = Mutex<[@Sendable (Commit) -> Void]>([])
    private let clock: any WallClock
    private var state: MemoryLedger
    private var isClosed = false

    init(_ state: MemoryLedger, clock: any WallClock) {
        self.clock = clock
        self.state = state
    }

    func write<Value: Sendable>(
        _ command: @Sendable (inout MemoryLedger, ClockReading) throws -> Value
    ) throws -> Value {
        guard !isClosed else { throw JournalError.closed }
        // The ledger judges before it changes anything, so a command that throws leaves it as it was.
        let value = try command(&state, clock.reading())
        let commit = state.takeCommit()
        if !commit.events.isEmpty || !commit.readyQueues.isEmpty {
            for observer in observers.withLock({ $0 }) { observer(commit) }
        }
        return value
    }

    func read<Value: Sendable>(_ query: @Sendable (MemoryLedger) -> Value) throws -> Value {
        guard !isClosed else { throw JournalError.closed }
        return query(state)
    }

    func close() { isClosed = true }
}
