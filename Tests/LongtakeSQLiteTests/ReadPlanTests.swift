import GRDB
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("the query plans of stream reads")
struct ReadPlanTests {
    @Test(
        "no page scans a table or sorts",
        arguments: [
            ("a page of a log", EventReader.query, ["job=?"]),
            ("the head of a log", EventReader.headQuery, ["id=?", "job=?"]),
            ("the feed of a job", FeedReader.jobQuery, ["rowid=?", "job=? AND seq>?"]),
            ("the range of a log", FeedReader.rangeQuery, ["id=?", "job=?"]),
            ("a position in a log", FeedReader.positionQuery, ["COVERING INDEX", "job=? AND seq=?"]),
            ("the feed of a type", FeedReader.typeQuery, ["type=? AND position>?"]),
            ("the job of an idempotency key", JobReader.keyQuery, ["tenant=? AND key=?"]),
            ("the feed in order", FeedReader.orderQuery, ["rowid>?"]),
        ])
    func plans(name: String, sql: String, seeks: [String]) async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        let plan = try journal.inspectWriter { db in
            let arguments = StatementArguments(Array(repeating: 1, count: sql.count { $0 == "?" }))
            return try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + sql, arguments: arguments)
                .map { $0["detail"] as String }
        }
        for step in plan {
            #expect(!step.hasPrefix("SCAN") || step == "SCAN CONSTANT ROW", "\(name): \(plan)")
            #expect(!step.contains("TEMP B-TREE"), "\(name): \(plan)")
        }
        for seek in seeks { #expect(plan.contains { $0.contains(seek) }, "\(name): \(plan)") }
        try await journal.close()
    }

    @Test("a feed read examines a limited number of events, and says how far it went")
    func bound() async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1))
        let claim = try #require(try await journal.claim(queue: Samples.cpu, limit: 1).claims.first)
        let wanted = SQLiteLimits.feedEventsExamined + 100
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<wanted {
                group.addTask {
                    _ = try await journal.report(StageReport(progress: Progress(0.5), message: ""), for: claim)
                }
            }
            try await group.waitForAll()
        }
        let elsewhere = FeedFilter(pipelines: [PipelineName(unchecked: "elsewhere")])
        var query = FeedQuery(tenant: .anonymous, filter: elsewhere, after: .beforeFirst)
        let first = try await journal.events(query)
        #expect(first.events.isEmpty && first.reached.rawValue == Int64(SQLiteLimits.feedEventsExamined))
        query.after = first.reached
        let second = try await journal.events(query)
        #expect(second.events.isEmpty && second.reached == second.head && second.head > first.reached)
        try await journal.close()
    }

    @Test("the feed reports what was pruned, and its head never goes back")
    func pruned() async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        for number in 1...3 { _ = try await journal.submit(Samples.submission(number)) }
        try journal.inspectWriter { db in
            try db.execute(sql: "DELETE FROM job WHERE key = 3")
            try db.execute(sql: "INSERT INTO meta VALUES ('pruned_through', '3')")
        }
        let page = try await journal.events(FeedQuery(tenant: .anonymous, after: .beforeFirst))
        #expect(page.events.map(\.position.rawValue) == [1, 2])
        #expect(page.head.rawValue == 3 && page.reached == page.head && page.prunedThrough.rawValue == 3)
        try await journal.close()
    }
}
