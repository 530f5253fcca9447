public import LongtakeCore

/// A store that forwards all calls to another one. Tests replace some of its functions.
public protocol JournalDouble: JobStore, WorkStore, EventLog, QueueStore, FileRecords, Storage {
    associatedtype Inner: JobStore, WorkStore, EventLog, QueueStore, FileRecords, Storage
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
    public func register(_ artifact: Artifact, for claim: Claim) async throws -> ReportAnswer {
        try await inner.register(artifact, for: claim)
    }
    public func add(
        _ file: UploadedFile, of tenant: TenantName, limit: Int64
    ) async throws -> (file: UploadedFile, isNew: Bool) {
        try await inner.add(file, of: tenant, limit: limit)
    }
    public func file(_ id: FileID, of tenant: TenantName) async throws -> UploadedFile? {
        try await inner.file(id, of: tenant)
    }
    public func files(of tenant: TenantName, after: FileID?, limit: Int) async throws -> [UploadedFile] {
        try await inner.files(of: tenant, after: after, limit: limit)
    }
    public func delete(_ id: FileID, of tenant: TenantName) async throws { try await inner.delete(id, of: tenant) }
    public func bytesOfFiles(of tenant: TenantName) async throws -> Int64 { try await inner.bytesOfFiles(of: tenant) }
    public func artifacts(of job: JobID, of tenant: TenantName) async throws -> [ArtifactRecord]? {
        try await inner.artifacts(of: job, of: tenant)
    }
    public func state(of job: JobID) async throws -> JobState? { try await inner.state(of: job) }
    public func removeExpired(intermediatesOfJobsEndedBefore end: Timestamp) async throws -> Bool {
        try await inner.removeExpired(intermediatesOfJobsEndedBefore: end)
    }
    public func unusedContent(limit: Int) async throws -> [ContentKey] { try await inner.unusedContent(limit: limit) }
    public func isUsed(_ key: ContentKey) async throws -> Bool { try await inner.isUsed(key) }
    public func checked(_ keys: [ContentKey]) async throws { try await inner.checked(keys) }
    public func usedContent(after: ContentKey?, limit: Int) async throws -> [(key: ContentKey, bytes: Int64)] {
        try await inner.usedContent(after: after, limit: limit)
    }
}
