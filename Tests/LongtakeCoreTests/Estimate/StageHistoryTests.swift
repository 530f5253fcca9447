import Testing

@testable import LongtakeCore

@Suite("the history of a stage")
struct StageHistoryTests {
    private static let pipeline = PipelineName(unchecked: "p")
    private static let stage = Stage(
        name: StageName(unchecked: "s"), queue: QueueName(unchecked: "q"), expectedSeconds: 10, timeLimitSeconds: nil,
        work: .remote)

    private func run(
        _ seconds: Double, expected: Double = 10, wait: StageRun.Wait? = nil, _ what: StageRun.Circumstances = .init()
    ) -> StageRun? {
        let stage = Stage(
            name: Self.stage.name, queue: Self.stage.queue, expectedSeconds: expected, timeLimitSeconds: nil,
            work: .remote)
        return StageRun(of: stage, in: Self.pipeline, seconds: seconds, wait: wait, what)
    }

    private func history(_ seconds: [Double]) throws -> StageHistory {
        var history = StageHistory()
        for seconds in seconds { history.add(try #require(run(seconds))) }
        return history
    }

    @Test("the configured seconds count until a run has finished")
    func empty() {
        #expect(StageHistory().mean == 1 && StageHistory().variance == 1 && StageHistory().runs == 0)
        #expect(StageHistory().remainder(after: 0.25) == 0.75)
        #expect(StageHistory().remainder(after: 5) == 0.1, "a run is never over before it ends")
    }

    @Test("runs with large and small inputs count alike, relative to their own expected seconds")
    func scaled() throws {
        var history = StageHistory()
        history.add(try #require(run(20, expected: 10)))
        history.add(try #require(run(200, expected: 100)))
        #expect(history.mean == 2 && history.variance == 0 && history.runs == 2)
    }

    @Test("newer runs have more weight: a change is half learned after 23 runs")
    func weights() throws {
        let mean = try history(Array(repeating: 10, count: 200) + Array(repeating: 30, count: 23)).mean
        #expect(abs(mean - 2) < 0.2, "\(mean)")
        let learned = try history(Array(repeating: 10, count: 200) + Array(repeating: 30, count: 64)).mean
        #expect(abs(learned - 3) < 0.001, "the older runs are forgotten")
    }

    @Test("resumed, reused and sped-up runs are left out, and so are those without a duration")
    func exclusions() {
        #expect(run(5) != nil)
        #expect(run(5, .init(isResumed: true)) == nil)
        #expect(run(5, .init(isReused: true)) == nil)
        #expect(run(5, .init(isSpedUp: true)) == nil)
        #expect(run(0) == nil && run(-1) == nil && run(.nan) == nil && run(.infinity) == nil)
    }

    @Test("the attempt that succeeds after a failed one counts, but its wait does not")
    func laterAttempt() {
        let wait = StageRun.Wait(expectedTurns: 1, turns: 2)
        #expect(run(5, wait: wait)?.wait == wait)
        let second = run(5, wait: wait, .init(attempt: 2))
        #expect(second != nil && second?.wait == nil)
    }

    @Test("what is left of a run is the mean over the runs that took longer")
    func remainder() throws {
        let history = try history([10, 20, 30, 40])
        let (start, late) = (history.remainder(after: 0), history.remainder(after: 2.5))
        #expect(abs(start - history.mean) < 1e-9)
        // Half of the runs were shorter, so the assumption weighs half a run.
        let weights = [1, 0.97]
        let deviation = history.variance.squareRoot()
        let shorter = 1 - (weights[0] + weights[1]) / (1 + 0.97 + 0.97 * 0.97 + 0.97 * 0.97 * 0.97)
        let expected = (weights[0] * 1.5 + weights[1] * 0.5 + shorter * deviation) / (1.97 + shorter)
        #expect(abs(late - expected) < 1e-6, "\(late) \(expected)")
    }

    @Test("a run that takes longer than all before is expected to take one standard deviation more")
    func beyond() throws {
        let history = try history([10, 20, 30, 40])
        #expect(abs(history.remainder(after: 100) - history.variance.squareRoot()) < 1e-9)
        #expect(try self.history([10, 10, 10]).remainder(after: 2) == 0, "a stage that always took the same time")
    }

    @Test("learns how long a queue serves a claim, and how many more turns it takes than wait at first")
    func turns() throws {
        var queue = QueueHistory()
        for _ in 0..<20 { queue.add(try #require(run(5, wait: .init(expectedTurns: 2, turns: 3)))) }
        #expect(abs(queue.overtaking - 1.5) < 1e-9)
        #expect(abs(queue.serviceSeconds - 5) < 1e-9)
        #expect(QueueHistory(runs: 9, serviceSeconds: 1, expectedTurns: 1, actualTurns: 2).overtaking == 1)
        #expect(QueueHistory(runs: 10, serviceSeconds: 1, expectedTurns: 1, actualTurns: 100).overtaking == 8)
    }

    @Test("rows that a store got back damaged do not make an estimate infinite")
    func damaged() {
        #expect(StageHistory(runs: -1, ratios: RecentRatios(limit: 64)).runs == 0)
        #expect(QueueHistory(runs: 20, serviceSeconds: .infinity, expectedTurns: .nan, actualTurns: -1).overtaking == 1)
    }
}
