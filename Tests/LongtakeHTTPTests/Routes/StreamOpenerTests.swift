import LongtakeCore
import LongtakeDaemonDriver
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeHTTP

@Suite("streams that cannot start") struct StreamOpenerTests {
    // Fails if every error of the journal becomes the reason `limit`.
    @Test("give a browser a stream that ends with the reason, and other clients an error status")
    func unreadable() async throws {
        let clock = ManualClock()
        let journal = UnreadableJournal(clock: clock)
        let server = try HTTPServer.forTests(journal: journal, clock: clock)
        let address = try await server.start()
        let port = try #require(address.first?.split(separator: ":").last.flatMap { Int($0) })
        for (error, reason) in [(JournalError.cannotPersist("it is broken"), "unavailable"), (.closed, "draining")] {
            journal.error.withLock { $0 = error }
            for path in ["/v1/jobs/job_" + String(repeating: "0", count: 26) + "/events", "/v1/events"] {
                try await onOwnThread {
                    let request = "GET \(path) HTTP/1.1\r\nHost: localhost\r\n"
                    let browser = try Socket(port: port).exchange(request + "Accept: text/event-stream\r\n\r\n")
                    #expect(browser.status == 200 && browser.body.hasPrefix("retry: "), "\(path)")
                    #expect(browser.body.contains(#"data: {"type":"stream.end","reason":"\#(reason)"}"#), "\(path)")
                    #expect(try Socket(port: port).exchange(request + "\r\n").status >= 500, "\(path)")
                }
            }
        }
        await server.stop()
    }
}

/// A journal whose events cannot be read.
private final class UnreadableJournal: Journal {
    let inner: MemoryJournal
    let error = Mutex(JournalError.closed)

    init(clock: ManualClock) { inner = MemoryJournal(clock: clock) }

    var epoch: Epoch { inner.epoch }

    func events(of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int) async throws -> EventPage? {
        throw error.withLock { $0 }
    }
    func events(_ query: FeedQuery) async throws -> FeedPage { throw error.withLock { $0 } }

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
    func cancel(_ job: JobID, of tenant: TenantName) async throws -> Job? { try await inner.cancel(job, of: tenant) }
    func delete(_ job: JobID, of tenant: TenantName) async throws { try await inner.delete(job, of: tenant) }
    func job(_ job: JobID, of tenant: TenantName) async throws -> Job? { try await inner.job(job, of: tenant) }
    func jobs(_ query: JobQuery) async throws -> JobPage { try await inner.jobs(query) }
    func queues(of tenant: TenantName?) async throws -> [QueueStatus] { try await inner.queues(of: tenant) }
    func pause(_ queue: QueueName) async throws { try await inner.pause(queue) }
    func resume(_ queue: QueueName) async throws { try await inner.resume(queue) }
    func checkWritable() async throws { try await inner.checkWritable() }
    func close() async throws { try await inner.close() }
}
