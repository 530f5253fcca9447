import GRDB
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("the planner's statistics")
struct PlannerStatisticsTests {
    private static let queries: [String] = [
        EventReader.query, EventReader.headQuery, FeedReader.jobQuery, FeedReader.rangeQuery, FeedReader.positionQuery,
        FeedReader.typeQuery, FeedReader.orderQuery, JobLedger.tenantQuery, JobLedger.stageQuery, JobLedger.dueQuery,
        HiddenJob.anyQuery, PruneCommand.dueQuery, PruneCommand.oldestQuery, PruneCommand.logQuery,
        PruneCommand.slice, PruneCommand.remove,
        JobLedger.deleteQuery, JobLedger.pausedQuery, JobReader.keyQuery, QueueReader.waitingQuery,
        QueueReader.runningQuery,
        JobReader.listQuery(JobQuery()).sql, JobReader.listQuery(JobQuery(state: .queued)).sql,
    ]

    /// Statistics of a database with three jobs say that a scan is cheap, and they stay when it
    /// grows. This test failed when they stayed in the file: 14 plans became scans or sorts.
    @Test(
        "left by another program change no plan",
        arguments: [1, 3, 60])
    func plans(_ jobs: Int) async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        let before = try journal.inspectWriter(Self.plans)
        for number in stride(from: 1, through: jobs, by: 1) {
            try await journal.finishJob(number, reports: 2, key: "\(number)")
        }
        try journal.inspectWriter { try $0.execute(sql: "PRAGMA analysis_limit = 400; ANALYZE") }
        try await journal.close()
        let again = try await scratch.open()
        let after = try again.inspectWriter(Self.plans)
        for (query, plan) in before { #expect(after[query] == plan, "\(query)") }
        try await again.close()
    }

    private static func plans(_ db: Database) throws -> [String: [String]] {
        var plans: [String: [String]] = [:]
        for query in queries {
            let places = query.contains("?1") ? 1 : query.count { $0 == "?" }
            plans[query] = try Row.fetchAll(
                db, sql: "EXPLAIN QUERY PLAN " + query,
                arguments: StatementArguments(Array(repeating: 1, count: places))
            ).map { $0["detail"] }
        }
        return plans
    }
}
