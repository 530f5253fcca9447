public import LongtakeCore

/// A store that forwards all calls to another one. Tests replace some of its functions.
public protocol JournalDouble: JobStore, WorkStore, EventLog, QueueStore, Storage {
    associatedtype Inner: JobStore, WorkStore, EventLog, QueueStore, Storage
    var inner: Inner { get }
}

extension JournalDouble {
    public var holder: HolderID { inner.holder }
    public var epoch: Epoch { inner.epoch }
    public func submit(_ submission: Submission) async throws -> SubmissionOutcome {
        try await inner.submit(submission)
    }
    public func replay(of key: String, tenant: TenantName, fingerprint: String) async throws -> SubmissionOutcome? {
        try await inner.replay(of: key, tenant: tenant, fingerprint: fingerprint)
    }
    public func cancel(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        try await inner.cancel(job, of: tenant)
    }
    public func delete(_ job: JobID, of tenant: TenantName) async throws { try await inner.delete(job, of: tenant) }
    public func job(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        try await inner.job(job, of: tenant)
    }
    public func jobs(_ query: JobQuery) async throws -> JobPage { try await inner.jobs(query) }
    public func claim(queue: QueueName, limit: Int, for holder: HolderID) async throws -> ClaimResult {
        try await inner.claim(queue: queue, limit: limit, for: holder)
    }
    public func report(_ report: StageReport, for claim: Claim) async throws -> ReportAnswer {
        try await inner.report(report, for: claim)
    }
    public func finish(_ claim: Claim, with outcome: StageOutcome) async throws -> JobState {
        try await inner.finish(claim, with: outcome)
    }
    public func beat(_ holder: HolderID) async throws -> LeaseAnswer { try await inner.beat(holder) }
    public func declareGone(_ holder: HolderID) async throws -> Int { try await inner.declareGone(holder) }
    public func observeWork(_ observer: @escaping @Sendable (WorkNotice) -> Void) { inner.observeWork(observer) }
    public func events(
        of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int
    ) async throws -> EventPage? {
        try await inner.events(of: job, of: tenant, after: after, limit: limit)
    }
    public func events(_ query: FeedQuery) async throws -> FeedPage { try await inner.events(query) }
    public func tail(_ observer: @escaping @Sendable (TailNotice) -> Void) { inner.tail(observer) }
    public func queues(of tenant: TenantName?) async throws -> [QueueStatus] { try await inner.queues(of: tenant) }
    public func pause(_ queue: QueueName) async throws { try await inner.pause(queue) }
    public func resume(_ queue: QueueName) async throws { try await inner.resume(queue) }
    public func checkWritable() async throws { try await inner.checkWritable() }
    public func close() async throws { try await inner.close() }
}
