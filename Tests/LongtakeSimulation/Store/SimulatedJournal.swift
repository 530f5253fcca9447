import LongtakeCore
import LongtakeStorage
import LongtakeTesting

/// A journal on a disk with faults, for one boot. Unchecked, because the simulation has one thread.
final class SimulatedJournal: Journal, @unchecked Sendable {
    let epoch: Epoch
    let holder: HolderID
    let writer: JournalWriter
    let reads: JournalReads
    /// The claims that it has handed out.
    private(set) var claims: [Claim] = []
    private let eventsPerPage: Int
    /// Whether the tail announces some commits without their events, as a store with several nodes
    /// does. It does so in every third boot. A random choice would change the schedule of every
    /// seed.
    private let announcesCommits: Bool
    private let time: VirtualTime
    private let stage: Stagehand

    init(disk: Disk, time: VirtualTime, chance: Chance, stage: Stagehand, eventsPerPage: Int) {
        self.eventsPerPage = eventsPerPage
        self.time = time
        self.stage = stage
        epoch = disk.durable.epoch
        announcesCommits = disk.boots.isMultiple(of: 3)
        holder = disk.holder
        writer = JournalWriter(disk: disk, time: time, chance: chance, stage: stage)
        reads = JournalReads(disk: disk, chance: chance, stage: stage)
    }

    func die() {
        writer.die()
        reads.die()
    }

    func tail(_ observer: @escaping @Sendable (TailNotice) -> Void) {
        writer.observe { [epoch, announcesCommits] commit in
            guard let last = commit.events.last?.position else { return }
            if announcesCommits, last.rawValue.isMultiple(of: 2) {
                observer(TailNotice(epoch: epoch, .advanced(to: last)))
            } else {
                observer(TailNotice(epoch: epoch, .events(commit.events)))
            }
        }
    }

    func observeWork(_ observer: @escaping @Sendable (WorkNotice) -> Void) {
        writer.observe { if !$0.work.isEmpty { observer($0.work) } }
    }

    func submit(_ submission: Submission) async throws -> SubmissionOutcome {
        let prepared = try PreparedSubmission(submission)
        return try await write(.submission) { try $0.submit(prepared, at: $1) }
    }

    func replay(of key: String, tenant: TenantName, fingerprint: String) async throws -> SubmissionOutcome? {
        try await read(for: tenant) { $0.replay(of: key, tenant: tenant, fingerprint: fingerprint) }
    }

    func claim(queue: QueueName, limit: Int, for holder: HolderID) async throws -> ClaimResult {
        let result = try await write(.normal) { try $0.claim(queue: queue, limit: limit, for: holder, at: $1) }
        claims += result.claims
        return result
    }

    func report(_ report: StageReport, for claim: Claim) async throws -> ReportAnswer {
        do {
            _ = try await write(.report, by: claim.id) { try $0.change(claim, by: .report(report), at: $1) }
            return .goOn
        } catch JournalError.refused(.canceling) {
            return .canceling
        } catch JournalError.notOwner, JournalError.refused {
            return .lost
        }
    }

    func beat(_ holder: HolderID) async throws -> LeaseAnswer {
        try await read { $0.isGone(holder) ? .gone : .held }
    }

    func declareGone(_ holder: HolderID) async throws -> Int {
        try await write(.critical) { try $0.declareGone(holder, at: $1) }
    }

    func finish(_ claim: Claim, with outcome: StageOutcome) async throws -> JobState {
        try await write(.critical, by: claim.id) { try $0.change(claim, by: outcome.command, at: $1) }
    }

    func cancel(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        try await write(.critical, for: Limits.cancelPatience) { try $0.cancel(job, of: tenant, at: $1) }
    }

    func delete(_ job: JobID, of tenant: TenantName) async throws {
        try await write(.critical, for: Limits.cancelPatience) { ledger, _ in try ledger.delete(job, of: tenant) }
    }

    func job(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        try await read(for: tenant) { $0.job(job, of: tenant) }
    }

    func jobs(_ query: JobQuery) async throws -> JobPage { try await read(for: query.tenant) { $0.jobs(query) } }

    func events(
        of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int
    ) async throws -> EventPage? {
        let limit = min(limit, eventsPerPage)
        return try await read(for: tenant) { $0.events(of: job, of: tenant, after: after, limit: limit) }
    }

    func events(_ query: FeedQuery) async throws -> FeedPage {
        var query = query
        query.limit = min(query.limit, eventsPerPage)
        return try await read(for: query.tenant) { [query] in $0.events(query) }
    }

    func queues(of tenant: TenantName?) async throws -> [QueueStatus] {
        try await read(for: tenant) { $0.queues(of: tenant) }
    }

    func pause(_ queue: QueueName) async throws {
        try await write(.critical, for: Limits.cancelPatience) { ledger, _ in ledger.pause(queue) }
    }

    func resume(_ queue: QueueName) async throws {
        try await write(.critical, for: Limits.cancelPatience) { ledger, _ in ledger.resume(queue) }
    }

    func checkWritable() async throws { try await write(.probe) { _, _ in } }

    func close() async throws {
        await withCheckedContinuation { caller in writer.close { caller.resume() } }
    }

    /// Runs a maintenance command, as the pruner does.
    func maintain() async throws { try await write(.maintenance) { _, _ in } }

    func write<Value: Sendable>(
        _ kind: CommandKind, by author: ClaimID? = nil, for patience: Duration? = nil,
        _ body: @escaping (inout MemoryLedger, ClockReading) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { (caller: CheckedContinuation<Value, any Error>) in
            let deadline = patience.map { time.now + $0 }
            writer.add(
                SimulatedCommand(kind, by: author, until: deadline, stage: stage) { ledger, time in
                    let value = try body(&ledger, time)
                    return { caller.resume(returning: value) }
                } reject: {
                    caller.resume(throwing: $0)
                })
        }
    }

    func read<Value: Sendable>(
        for tenant: TenantName? = nil, _ query: @escaping (MemoryLedger) -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { (caller: CheckedContinuation<Value, any Error>) in
            reads.add(for: tenant) { ledger in
                let result = ledger.map(query)
                return { caller.resume(with: result) }
            }
        }
    }
}
