import LongtakeCore
import LongtakeTesting
import Synchronization

/// The journal in memory, whose reads of logs take their snapshot first and are given out when the test opens the gate.
final class GatedJournal: Journal {
    let inner = MemoryJournal(epoch: Epoch(rawValue: 1), clock: ManualClock())
    let arrived = Signal()
    let open = Signal()
    let reads = Mutex(0)
    let failure = Mutex<JournalError?>(nil)
    /// What reads of the feed say was pruned.
    let prunedThrough = Mutex(EventPosition.beforeFirst)
    /// What reads of jobs wait for, where there is one.
    let jobs = Mutex<Signal?>(nil)
    /// What reads of the feed wait for, where there is one.
    let feed = Mutex<Signal?>(nil)

    var epoch: Epoch { inner.epoch }

    func events(
        of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int
    ) async throws -> EventPage? {
        let page = try await inner.events(of: job, of: tenant, after: after, limit: limit)
        reads.withLock { $0 += 1 }
        arrived.give()
        await open.wait()
        if let failure = failure.withLock({ $0 }) { throw failure }
        return page
    }

    func observeCommits(_ observer: @escaping @Sendable (Commit) -> Void) { inner.observeCommits(observer) }
    func submit(_ submission: Submission) async throws -> SubmissionOutcome { try await inner.submit(submission) }
    func replay(of key: String, tenant: TenantName, fingerprint: String) async throws -> SubmissionOutcome? {
        try await inner.replay(of: key, tenant: tenant, fingerprint: fingerprint)
    }
    func claim(queue: QueueName, limit: Int) async throws -> ClaimResult {
        try await inner.claim(queue: queue, limit: limit)
    }
    func report(_ report: StageReport, for claim: Claim) async throws { try await inner.report(report, for: claim) }
    func finish(_ claim: Claim, with outcome: StageOutcome) async throws -> JobState {
        try await inner.finish(claim, with: outcome)
    }
    func cancel(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        try await inner.cancel(job, of: tenant)
    }
    func delete(_ job: JobID, of tenant: TenantName) async throws { try await inner.delete(job, of: tenant) }
    func job(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        await jobs.withLock { $0 }?.wait()
        if let failure = failure.withLock({ $0 }) { throw failure }
        return try await inner.job(job, of: tenant)
    }
    func jobs(_ query: JobQuery) async throws -> JobPage { try await inner.jobs(query) }
    func events(_ query: FeedQuery) async throws -> FeedPage {
        var page = try await inner.events(query)
        page.prunedThrough = prunedThrough.withLock { $0 }
        await feed.withLock { $0 }?.wait()
        return page
    }
    func queues(of tenant: TenantName?) async throws -> [QueueStatus] { try await inner.queues(of: tenant) }
    func pause(_ queue: QueueName) async throws { try await inner.pause(queue) }
    func resume(_ queue: QueueName) async throws { try await inner.resume(queue) }
    func checkWritable() async throws { try await inner.checkWritable() }
    func close() async throws { try await inner.close() }
}
