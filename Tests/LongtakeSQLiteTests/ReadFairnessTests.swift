import Dispatch
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

/// Every kind of read goes through one scheduler that is fair by tenant.
///
/// | the tenant "many"                        | the tenant "one"        |
/// |------------------------------------------|-------------------------|
/// | a read on each connection, held          |                         |
/// | 20 more reads wait                       |                         |
/// |                                          | one read, behind them   |
/// | one held read ends                       |                         |
/// |                                          | returns its result      |
/// | the next one would hold the connection   |                         |
@Suite("reads of two tenants", .timeLimit(.minutes(2)))
struct ReadFairnessTests {
    private let scratch = ScratchDirectory()

    enum Kind: CaseIterable {
        case job, jobs, page, feed, queues, ownQueues, replay
    }

    // This test hung for each kind with `of: nil` in place of the tenant in ReadQueue.
    @Test(
        "another tenant's read is answered while one tenant's reads hold all connections but one",
        arguments: Kind.allCases)
    func held(_ kind: Kind) async throws {
        let journal = try await scratch.open()
        let many = TenantName(unchecked: "many")
        _ = try await journal.submit(Samples.submission(1, tenant: "one", key: "k"))
        let disk = DispatchSemaphore(value: 0)
        let held = (1...22).map { _ in
            Task { try await journal.inspectReader(for: many) { _ in disk.wait() } }
        }
        await until { journal.readsWaiting >= 20 }
        async let answer = Self.read(kind, journal)
        await until { journal.readsWaiting >= 21 }
        disk.signal()
        #expect(try await answer)
        for _ in held { disk.signal() }
        for task in held { try await task.value }
        try await journal.close()
    }

    /// - Returns: whether the read found the data.
    private static func read(_ kind: Kind, _ journal: SQLiteJournal) async throws -> Bool {
        let one = TenantName(unchecked: "one")
        let submission = Samples.submission(1, tenant: "one", key: "k")
        switch kind {
        case .job: return try await journal.job(submission.id, of: one) != nil
        case .jobs: return try await journal.jobs(JobQuery(tenant: one, limit: 10)).jobs.count == 1
        case .page:
            return try await journal.events(of: submission.id, of: one, after: .beforeFirst, limit: 10)?.events.count
                == 1
        case .feed: return try await journal.events(FeedQuery(tenant: one, after: .beforeFirst)).events.count == 1
        case .queues: return try await journal.queues(of: one).count == 1
        case .ownQueues: return try await journal.queues(of: nil).count == 1
        case .replay:
            return try await journal.replay(of: "k", tenant: one, fingerprint: try submission.fingerprint()) != nil
        }
    }
}
