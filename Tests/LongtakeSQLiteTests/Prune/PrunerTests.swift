import Logging
import LongtakeCore
import LongtakeSQLite
import LongtakeTesting
import Synchronization
import Testing

@Suite("the pruner")
struct PrunerTests {
    private let clock = TestClock()
    private let wall = ManualClock()
    private let scratch = ScratchDirectory()
    private let log = NoteLog()
    private var pruned: Signal { log["pruned finished jobs"] }

    private func pruner(_ journal: SQLiteJournal, _ retention: Retention, rows: Int) -> Pruner {
        Pruner(
            journal: journal, retention: retention, clock: TickingClock(base: clock), wallClock: wall, rows: rows,
            logger: log.logger)
    }

    private func advance(by duration: Duration) {
        wall.advance(by: duration)
        clock.advance(by: duration)
    }

    /// Runs the pruner beside the body.
    private func pruning(
        _ journal: SQLiteJournal, _ retention: Retention, rows: Int = SQLiteLimits.rowsPerPrune,
        _ body: () async throws -> Void
    ) async throws {
        let pruner = pruner(journal, retention, rows: rows)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await pruner.run() }
            try await body()
            group.cancelAll()
        }
        try await journal.close()
    }

    @Test("checks when the oldest job becomes due, and not before")
    func due() async throws {
        let journal = try await scratch.open(wall)
        try await journal.finishJob(1)
        try await pruning(journal, Retention(age: .seconds(3600), maxBytes: nil)) { () async throws in
            await clock.sleepers(1)
            advance(by: .seconds(3599))
            #expect(try await journal.job(Samples.submission(1).id, of: .anonymous) != nil)
            advance(by: .seconds(1))
            await pruned.wait()
            #expect(try await journal.job(Samples.submission(1).id, of: .anonymous) == nil)
            #expect(log.notes == ["pruned finished jobs events=7 jobs=1"])
        }
    }

    @Test("waits again if the wall clock is behind when the delay is over")
    func wallClockBehind() async throws {
        let journal = try await scratch.open(wall)
        try await journal.finishJob(1)
        try await pruning(journal, Retention(age: .seconds(3600), maxBytes: nil)) { () async throws in
            await clock.sleepers(1)
            wall.advance(by: .seconds(3599))
            clock.advance(by: .seconds(3600))
            await clock.sleepers(1)
            advance(by: .seconds(10))
            await pruned.wait()
            #expect(try await journal.job(Samples.submission(1).id, of: .anonymous) == nil)
        }
    }

    @Test("checks when the database has grown, without a timer")
    func growth() async throws {
        let journal = try await scratch.open(wall)
        try await pruning(journal, Retention(age: nil, maxBytes: 1_000_000)) { () async throws in
            let prompt = String(repeating: "x", count: 60_000)
            for number in 1...60 {
                try await journal.finishJob(number, prompt: prompt)
                wall.advance(by: .seconds(1))
            }
            await pruned.wait()
            #expect(try await journal.job(Samples.submission(1).id, of: .anonymous) == nil)
            #expect(try await journal.job(Samples.submission(60).id, of: .anonymous) != nil)
        }
    }

    @Test("logs if only active jobs exceed the limit, and waits for one to finish")
    func blocked() async throws {
        let journal = try await scratch.open(wall)
        for number in 1...2 { _ = try await journal.submit(Samples.submission(number)) }
        try await pruning(journal, Retention(age: nil, maxBytes: 1)) { () async throws in
            await log["larger than storage.max_gigabytes"].wait()
            _ = try await journal.cancel(Samples.submission(1).id, of: .anonymous)
            await clock.sleepers(1)
            advance(by: .seconds(10))
            await pruned.wait()
            #expect(try await journal.job(Samples.submission(1).id, of: .anonymous) == nil)
            #expect(try await journal.job(Samples.submission(2).id, of: .anonymous) != nil)
        }
        #expect(log.notes.count { $0.contains("all jobs in it are active") } <= 2)
    }

    //  pruner                     caller
    //  slice 1
    //  pauses ──────────────────► submits, gets a result
    //  slice 2 ◄────────────────  advances the time
    @Test("submissions continue between two transactions of pruning")
    func interleaved() async throws {
        let journal = try await scratch.open(wall)
        try await journal.finishJob(1, reports: 60)
        wall.advance(by: .seconds(3600))
        try await pruning(journal, Retention(age: .seconds(3600), maxBytes: nil), rows: 20) { () async throws in
            for number in 2...4 {
                await clock.sleepers(1)
                #expect(try await journal.submit(Samples.submission(number)).job != nil)
                #expect(try await journal.job(Samples.submission(1).id, of: .anonymous) == nil)
                #expect(log.notes.isEmpty)
                clock.advance(by: .seconds(1))
            }
            await pruned.wait()
            #expect(log.notes == ["pruned finished jobs events=67 jobs=1"])
            #expect(try await journal.jobs(JobQuery()).jobs.count == 3)
        }
    }
}

/// A clock that advances by a millisecond with each reading, so that work takes time.
private struct TickingClock: Clock {
    let base: TestClock

    var now: TestClock.Instant {
        base.advance(by: .milliseconds(1))
        return base.now
    }
    var minimumResolution: Duration { base.minimumResolution }

    func sleep(until deadline: TestClock.Instant, tolerance: Duration?) async throws {
        try await base.sleep(until: deadline, tolerance: tolerance)
    }
}
