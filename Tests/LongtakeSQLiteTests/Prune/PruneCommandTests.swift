import GRDB
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("one transaction of pruning")
struct PruneCommandTests {
    private let clock = ManualClock()
    private let scratch = ScratchDirectory()
    private let hour = Retention(age: .seconds(3600), maxBytes: nil)
    private let rows = "SELECT (SELECT count(*) FROM stage) + (SELECT count(*) FROM event) + (SELECT count(*) FROM job)"

    @Test("jobs are pruned in the order in which they finished, and none too early")
    func order() async throws {
        let journal = try await scratch.open(clock)
        for number in 1...3 {
            try await journal.finishJob(number)
            clock.advance(by: .seconds(60))
        }
        clock.advance(by: .seconds(3600 - 121))
        let early = try await journal.prune(hour, at: clock.now())
        #expect(early.jobs == 1 && early.events == 7 && !early.hasMore)
        #expect(try await journal.job(Samples.submission(1).id, of: .anonymous) == nil)
        #expect(try await journal.job(Samples.submission(2).id, of: .anonymous) != nil)
        #expect(early.oldest == clock.now().advanced(by: .seconds(1 - 3600)))
        clock.advance(by: .seconds(3600))
        #expect(try await journal.prune(hour, at: clock.now()).jobs == 2)
        #expect(try journal.count(rows) == 0)
        try await journal.close()
    }

    @Test("active jobs are never pruned, at any age and size of the database")
    func active() async throws {
        let journal = try await scratch.open(clock)
        for number in 1...3 { _ = try await journal.submit(Samples.submission(number)) }
        let claims = try await journal.claim(queue: Samples.cpu, limit: 2).claims
        _ = try await journal.finish(claims[0], with: .succeeded(output: nil))
        clock.advance(by: .seconds(1_000_000))
        let outcome = try await journal.prune(Retention(age: .seconds(1), maxBytes: 1), at: clock.now())
        #expect(outcome.jobs == 0 && outcome.events == 0 && outcome.oldest == nil)
        #expect(try journal.count("SELECT count(*) FROM job") == 3)
        _ = try await journal.report(StageReport(progress: Progress(0.5), message: ""), for: claims[1])
        try await journal.close()
    }

    @Test("a transaction has a limit of rows, and a larger job is soft-deleted in the first one")
    func slices() async throws {
        let journal = try await scratch.open(clock)
        try await journal.finishJob(1)
        try await journal.finishJob(2, reports: 100, key: "k")
        clock.advance(by: .seconds(3600))
        var (slices, events) = (0, 0)
        var before = try journal.count(rows)
        while true {
            let outcome = try await journal.prune(hour, at: clock.now(), rows: 20)
            let after = try journal.count(rows)
            // The job's row, the rows of its two stages and its key go with the last part.
            #expect(before - after <= 20 + 3)
            (slices, events, before) = (slices + 1, events + outcome.events, after)
            #expect(try await journal.job(Samples.submission(2).id, of: .anonymous) == nil)
            guard outcome.hasMore else { break }
        }
        #expect(slices > 5 && events == 114)
        #expect(try journal.count(rows) == 0)
        try await journal.close()
    }

    @Test("after a kill between two transactions readers see whole jobs only, and pruning continues")
    func kill() async throws {
        let journal = try await scratch.open(clock)
        for number in 1...3 { try await journal.finishJob(number, reports: 30, key: "key \(number)") }
        clock.advance(by: .seconds(3600))
        var more = true
        while more {
            more = try await journal.prune(hour, at: clock.now(), rows: 10).hasMore
            // The test removes its directory.
            let copy = try scratch.copy()
            defer { withExtendedLifetime(copy) {} }
            let killed = try await copy.open(clock)
            let listed = try await killed.jobs(JobQuery()).jobs.map(\.id)
            for number in 1...3 {
                let id = Samples.submission(number).id
                let page = try await killed.events(of: id, of: .anonymous, after: .beforeFirst, limit: 100)
                let job = try await killed.job(id, of: .anonymous)
                #expect(page.map(\.events.count) ?? 37 == 37 && page?.isFinal ?? true)
                #expect((page == nil) == (job == nil) && listed.contains(id) == (job != nil))
                #expect(try await killed.cancel(id, of: .anonymous)?.id == job?.id)
                let again = Samples.submission(number + 10, key: "key \(number)")
                let outcome = try await killed.submit(again)
                #expect(outcome.job?.id == (job == nil ? again.id : id))
            }
            while try await killed.prune(hour, at: clock.now(), rows: 10).hasMore {}
            #expect(try killed.count("SELECT count(*) FROM job WHERE finished_at IS NOT NULL") == 0)
            #expect(try killed.count("SELECT count(*) FROM event WHERE job NOT IN (SELECT key FROM job)") == 0)
            try await killed.close()
        }
        try await journal.close()
    }

    @Test("a partly removed job is removed completely, even if pruning is off")
    func begun() async throws {
        let journal = try await scratch.open(clock)
        try await journal.finishJob(1, reports: 30)
        clock.advance(by: .seconds(3600))
        #expect(try await journal.prune(hour, at: clock.now(), rows: 10).hasMore)
        let never = Retention(age: nil, maxBytes: nil)
        #expect(try await journal.prune(never, at: clock.now()).jobs == 1)
        #expect(try journal.count(rows) == 0)
        try await journal.close()
    }

    @Test("the key of a pruned job can be used again")
    func key() async throws {
        let journal = try await scratch.open(clock)
        try await journal.finishJob(1, key: "k")
        guard case .replayed = try await journal.submit(Samples.submission(2, key: "k")) else {
            Issue.record("the key did not return the existing job")
            return
        }
        clock.advance(by: .seconds(3600))
        #expect(try await journal.prune(hour, at: clock.now()).jobs == 1)
        guard case .created(let job) = try await journal.submit(Samples.submission(2, key: "k")) else {
            Issue.record("the key of a pruned job did not create a new job")
            return
        }
        #expect(job.id == Samples.submission(2).id)
        try await journal.close()
    }

    @Test("the last pruned position is stored from the first part on, and never decreases")
    func prunedThrough() async throws {
        let journal = try await scratch.open(clock)
        #expect(try journal.inspectWriter(PruneRecord.prunedThrough) == 0)
        // The job that finishes first has the higher positions.
        _ = try await journal.submit(Samples.submission(1))
        let slow = try #require(try await journal.claim(queue: Samples.cpu, limit: 1).claims.first)
        try await journal.finishJob(2, reports: 20)
        clock.advance(by: .seconds(1))
        _ = try await journal.cancel(Samples.submission(1).id, of: .anonymous)
        _ = try await journal.finish(slow, with: .interrupted(.shutdown))
        try await journal.finishJob(3)
        clock.advance(by: .seconds(3599))
        #expect(try await journal.prune(hour, at: clock.now(), rows: 5).hasMore)
        #expect(try journal.inspectWriter(PruneRecord.prunedThrough) == 30)
        clock.advance(by: .seconds(1))
        while try await journal.prune(hour, at: clock.now(), rows: 5).hasMore {}
        #expect(try journal.inspectWriter(PruneRecord.prunedThrough) == 39)
        try journal.inspectWriter { try PruneRecord.raise(through: 7, $0) }
        #expect(try journal.inspectWriter(PruneRecord.prunedThrough) == 39)
        try await journal.close()
        let next = try await scratch.open(clock)
        _ = try await next.submit(Samples.submission(4))
        let page = try await next.jobs(JobQuery())
        #expect(page.position.rawValue == 40, "a position is never used again")
        try await next.close()
    }

    @Test("above its limit the database is pruned to the limit, and no further")
    func size() async throws {
        let journal = try await scratch.open(clock)
        let prompt = String(repeating: "x", count: 20_000)
        for number in 1...50 { try await journal.finishJob(number, prompt: prompt) }
        let full = try journal.inspectWriter { try DatabaseSize($0).usedBytes }
        let bound = Retention(age: nil, maxBytes: full / 2)
        #expect(try await journal.prune(bound, at: clock.now()).jobs == 0, "a job that has just finished stays")
        clock.advance(by: .seconds(10))
        let outcome = try await journal.prune(bound, at: clock.now())
        #expect((20...30).contains(outcome.jobs))
        #expect((full / 2 - 60_000...full / 2).contains(outcome.usedBytes))
        #expect(try await journal.job(Samples.submission(50).id, of: .anonymous) != nil)
        let pages = try journal.inspectWriter { try DatabaseSize($0).pages }
        for number in 51...60 { try await journal.finishJob(number, prompt: prompt) }
        #expect(try journal.inspectWriter { try DatabaseSize($0).pages } == pages, "free pages are reused")
        try await journal.close()
    }

    @Test("a file with mostly free pages shrinks step by step, and keeps some")
    func shrink() async throws {
        let journal = try await scratch.open(clock)
        let prompt = String(repeating: "x", count: 60_000)
        for number in 1...60 { try await journal.finishJob(number, prompt: prompt) }
        clock.advance(by: .seconds(3600))
        let first = try await journal.prune(hour, at: clock.now(), freePagesKept: 200)
        #expect(first.jobs == 60 && first.hasMore, "returning pages begins with the last job, and continues")
        let full = try journal.inspectWriter { try DatabaseSize($0) }
        #expect(full.freePages > full.pages / 2)
        #expect(
            try await !journal.prune(hour, at: clock.now()).hasMore,
            "with the default limit, the file keeps this many free pages")
        var steps = 2
        while try await journal.prune(hour, at: clock.now(), freePagesKept: 200).hasMore { steps += 1 }
        let small = try journal.inspectWriter { try DatabaseSize($0) }
        #expect(small.freePages <= 200 && small.pages < 300 && steps > 2)
        #expect(try journal.inspectWriter { try String.fetchOne($0, sql: "PRAGMA quick_check") } == "ok")
        try await journal.close()
    }

    @Test("every statement uses an index, and so does each cascade")
    func plans() async throws {
        let journal = try await scratch.open(clock)
        let children = try journal.inspectWriter { db in
            try String.fetchAll(
                db,
                sql: """
                    SELECT 'DELETE FROM ' || child.name || ' WHERE ' || key."from" || ' = ?' FROM sqlite_schema AS child
                    JOIN pragma_foreign_key_list(child.name) AS key WHERE child.type = 'table' AND key."table" = 'job'
                    """)
        }
        #expect(children.count == 5)
        for query in children + [
            HiddenJob.anyQuery, PruneCommand.dueQuery, PruneCommand.oldestQuery, PruneCommand.logQuery,
            HiddenJob.hideJob, HiddenJob.freeKeys, HiddenJob.freeContent[0], HiddenJob.freeContent[1],
            JobLedger.deleteQuery, PruneCommand.slice, PruneCommand.remove,
        ] {
            let plan = try journal.inspectWriter { db in
                let places = query.contains("?1") ? 1 : query.count { $0 == "?" }
                let arguments = StatementArguments(Array(repeating: 1, count: places))
                return try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + query, arguments: arguments)
                    .map { $0["detail"] as String }
            }
            let seeks = plan.allSatisfy { $0.contains("SEARCH") || $0.contains("SCALAR SUBQUERY") }
            #expect(seeks, "\(query)\n\(plan)")
        }
        try await journal.close()
    }
}
