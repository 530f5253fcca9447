import GRDB
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("estimates on SQLite")
struct EstimateTests {
    private let scratch = ScratchDirectory()
    private let clock = ManualClock()
    private static let workers = [Samples.cpu: 1, Samples.gpu: 1]

    private func open() async throws -> SQLiteJournal { try await scratch.open(clock, workers: Self.workers) }

    private func finish(_ queue: QueueName, after seconds: Int, _ journal: SQLiteJournal) async throws {
        let claim = try #require(try await journal.claim(queue: queue, limit: 1).claims.first)
        clock.advance(by: .seconds(seconds))
        _ = try await journal.finish(claim, with: .succeeded(output: nil))
    }

    /// Runs jobs whose stages take 20 s on `cpu` and 5 s on `gpu`.
    private func run(_ numbers: ClosedRange<Int>, _ journal: SQLiteJournal) async throws {
        for number in numbers {
            _ = try await journal.submit(Samples.submission(number))
            try await finish(Samples.cpu, after: 20, journal)
            try await finish(Samples.gpu, after: 5, journal)
        }
    }

    private func estimate(_ number: Int, _ journal: SQLiteJournal) async throws -> JobEstimate? {
        try await journal.job(Samples.submission(number).id, of: .anonymous)?.estimate
    }

    @Test("the eleventh job has an estimate, when it is submitted and when it is read, and no list has one")
    func eleventh() async throws {
        let journal = try await open()
        try await run(1...9, journal)
        #expect(try await journal.submit(Samples.submission(10)).job?.estimate == nil)
        #expect(try await estimate(10, journal) == nil)
        try await finish(Samples.cpu, after: 20, journal)
        try await finish(Samples.gpu, after: 5, journal)
        let submitted = try #require(try await journal.submit(Samples.submission(11)).job?.estimate)
        #expect(abs(submitted.eta.p50 - 25) < 1e-3 && submitted.queueWait == .zero, "\(submitted)")
        #expect(try await estimate(11, journal) == submitted)
        #expect(try await journal.jobs(JobQuery()).jobs.allSatisfy { $0.estimate == nil })
        try await journal.close()
    }

    @Test("the estimate goes down while the stage runs, and there is none after the end or while a queue is paused")
    func life() async throws {
        let journal = try await open()
        try await run(1...10, journal)
        _ = try await journal.submit(Samples.submission(11))
        let claim = try #require(try await journal.claim(queue: Samples.cpu, limit: 1).claims.first)
        clock.advance(by: .seconds(15))
        let running = try #require(try await estimate(11, journal))
        #expect(abs(running.eta.p50 - 10) < 1e-3, "\(running)")
        try await journal.pause(Samples.gpu)
        #expect(try await estimate(11, journal) == nil)
        try await journal.resume(Samples.gpu)
        #expect(try await estimate(11, journal) != nil)
        _ = try await journal.finish(claim, with: .succeeded(output: nil))
        try await finish(Samples.gpu, after: 5, journal)
        #expect(try await estimate(11, journal) == nil)
        try await journal.close()
    }

    @Test("a stage that waits behind others waits for them")
    func waiting() async throws {
        let journal = try await open()
        try await run(1...10, journal)
        for number in 11...12 { _ = try await journal.submit(Samples.submission(number)) }
        _ = try await journal.claim(queue: Samples.cpu, limit: 1)
        let estimate = try #require(try await estimate(12, journal))
        #expect(abs(estimate.queueWait.p50 - 20) < 1e-3, "\(estimate)")
        try await journal.close()
    }

    @Test("a restart keeps the history, and counts what waits again")
    func restart() async throws {
        var journal = try await open()
        try await run(1...11, journal)
        for number in 12...13 { _ = try await journal.submit(Samples.submission(number)) }
        _ = try await journal.claim(queue: Samples.cpu, limit: 1)
        let rows = try journal.inspectWriter { try EstimateRows.read($0) }
        #expect(rows.stages.count == 2 && rows.queues.count == 2 && rows.accuracies.count == 3, "\(rows)")
        #expect(rows.stages.values.allSatisfy { $0.runs == 11 })
        try await journal.close()
        journal = try await open()
        #expect(try journal.inspectWriter { try EstimateRows.read($0) } == rows)
        _ = try await journal.claim(queue: Samples.cpu, limit: 1)
        let estimate = try #require(try await estimate(13, journal))
        #expect(abs(estimate.queueWait.p50 - 20) < 1e-3, "\(estimate)")
        try await journal.close()
    }

    @Test("a row that cannot be read is left out, and the journal opens")
    func damaged() async throws {
        var journal = try await open()
        try await run(1...11, journal)
        try journal.inspectWriter { db in
            try db.execute(sql: "UPDATE stage_history SET ratios = x'0102' WHERE stage = 'frames'")
            try db.execute(sql: "UPDATE estimate_accuracy SET measure = 'x' WHERE measure = 'queued'")
        }
        try await journal.close()
        journal = try await open()
        let rows = try journal.inspectWriter { try EstimateRows.read($0) }
        #expect(rows.stages.count == 1 && rows.accuracies.count == 2)
        _ = try await journal.submit(Samples.submission(12))
        #expect(try await estimate(12, journal) == nil, "it has to learn the stage again")
        try await journal.close()
    }

    @Test("a row that no run has changed for 90 days is deleted at the next start")
    func old() async throws {
        var journal = try await open()
        try await run(1...11, journal)
        try await journal.close()
        clock.advance(by: .seconds(89 * 86_400))
        journal = try await open()
        #expect(try journal.inspectWriter { try EstimateRows.read($0) }.accuracies.count == 3)
        _ = try await journal.submit(Samples.submission(12))
        #expect(try await estimate(12, journal) != nil)
        try await finish(Samples.cpu, after: 20, journal)
        try await journal.close()
        clock.advance(by: .seconds(2 * 86_400))
        journal = try await open()
        let rows = try journal.inspectWriter { try EstimateRows.read($0) }
        #expect(rows.stages.count == 1 && rows.queues.count == 1 && rows.accuracies.isEmpty, "\(rows)")
        #expect(try await estimate(12, journal) == nil, "the daemon has forgotten the other stage")
        try await journal.close()
    }

    /// Seen to fail: the worker of the set-aside job counted as busy until the next restart.
    @Test("a running job that is set aside no longer occupies a worker")
    func setAside() async throws {
        var journal = try await open()
        try await run(1...10, journal)
        for number in 11...12 { _ = try await journal.submit(Samples.submission(number)) }
        _ = try await journal.claim(queue: Samples.cpu, limit: 1)
        let crashed = try scratch.copy()
        try await journal.close()
        try crashed.execute("UPDATE job SET definition = '[7]' WHERE key = 11")
        journal = try await crashed.open(clock, workers: Self.workers)
        #expect(journal.unreadableJobs == 1)
        #expect(try #require(try await estimate(12, journal)).queueWait == .zero)
        try await journal.close()
    }

    /// Seen to fail: the counts came from the rows of `share`.
    @Test("a wrong count of waiting stages does not change the estimates")
    func wrongShare() async throws {
        var journal = try await open()
        try await run(1...10, journal)
        try await journal.close()
        try scratch.execute("UPDATE share SET waiting = 7 WHERE queue = 'gpu'")
        journal = try await open()
        let submitted = try #require(try await journal.submit(Samples.submission(11)).job?.estimate)
        #expect(abs(submitted.eta.p50 - 25) < 1e-3, "\(submitted)")
        try await journal.close()
    }

    @Test("without workers in its settings a journal makes no estimates and writes no history")
    func off() async throws {
        let journal = try await scratch.open(clock)
        try await run(1...11, journal)
        _ = try await journal.submit(Samples.submission(12))
        #expect(try await estimate(12, journal) == nil)
        #expect(try journal.inspectWriter { try EstimateRows.read($0) } == EstimateHistory())
        try await journal.close()
    }
}
