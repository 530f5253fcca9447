import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeEngine

@Suite("simulated runner")
struct SimulatedRunnerTests {
    /// Runs a claim on a manual clock, which advances whenever the runner sleeps.
    /// - Returns: the result, the reports, and the time of each report.
    private func run(
        _ claim: Claim, speed: Double = 1, interval: Duration = .zero
    ) async -> (result: Result<JSONValue?, any Error>, reports: [StageReport], times: [Duration]) {
        let clock = TestClock()
        let made = Mutex<[(StageReport, Duration)]>([])
        let runner = SimulatedRunner(speed: speed, clock: clock, reportInterval: interval)
        let result = Mutex<Result<JSONValue?, any Error>?>(nil)
        async let run: Void = {
            do {
                let reports = StageReports { report in made.withLock { $0.append((report, clock.now.offset)) } }
                let output = try await runner.run(claim, reports: reports).output
                result.withLock { $0 = .success(output) }
            } catch {
                result.withLock { $0 = .failure(error) }
            }
        }()
        await until {
            if let next = clock.nextDeadline { clock.advance(by: clock.now.duration(to: next)) }
            return result.withLock { $0 != nil }
        }
        await run
        let all = made.withLock { $0 }
        let end = result.withLock { $0 } ?? .failure(CancellationError())
        return (end, all.map(\.0), all.map(\.1))
    }

    @Test("reports each step with its message, and the last step completes the stage")
    func steps() async throws {
        let stage = Work.stage(steps: 4, message: "{step}/{steps} {percent} % {clock} of {length} {other}")
        let (result, reports, _) = await run(Work.claim(stage))
        #expect(try result.get() == nil)
        #expect(reports.map(\.progress.value) == [0.25, 0.5, 0.75, 1])
        #expect(reports.first?.message == "1/4 25 % 00:02.0 of 00:08.0 {other}")
        #expect(reports.last?.message == "4/4 100 % 00:08.0 of 00:08.0 {other}")
    }

    @Test("continues after the checkpoint for any number of steps", arguments: [1, 7, 192, 3_600])
    func resume(steps: Int) async {
        let done = steps - 1
        let checkpoint = Double(done) / Double(steps)
        let (_, reports, _) = await run(Work.claim(Work.stage(seconds: 1, steps: steps), checkpoint: checkpoint))
        #expect(reports.map(\.message) == ["step \(steps) of \(steps)"])
        let (_, none, _) = await run(Work.claim(Work.stage(steps: steps), checkpoint: 1))
        #expect(none.isEmpty)
    }

    @Test(
        "the same seed takes the same time, also after a checkpoint; another seed takes another time, within the jitter"
    )
    func seeds() {
        func ends(_ seed: Int64, checkpoint: Double = 0, simulation: Simulation? = nil) -> [Double] {
            let claim = Work.claim(
                checkpoint: checkpoint, input: .object(["seed": .integer(seed)]), simulation: simulation)
            let work = SimulatedWork(steps: 10, message: "", lengthSeconds: 1, output: nil)
            let plan = SimulationPlan(work, of: claim, speed: 2)
            return (plan.done + 1...plan.steps).map { plan.end(of: $0) / .seconds(1) }
        }
        let first = ends(1)
        #expect(first == ends(1))
        #expect(first != ends(2))
        for (start, end) in zip([0] + first, first) { #expect((0.4...0.6).contains(end - start)) }
        for (end, resumed) in zip(first[5...], ends(1, checkpoint: 0.5)) {
            #expect(abs(end - first[4] - resumed) < 1e-9)
        }
        // The speed of the job overrides the speed of the daemon.
        for (end, slow) in zip(first, ends(1, simulation: Simulation(speed: 1))) { #expect(abs(end * 2 - slow) < 1e-9) }
    }

    @Test("skips steps that end within one interval, but never the last step")
    func coalescing() async {
        let (_, reports, times) = await run(
            Work.claim(Work.stage(seconds: 2, steps: 1_000)), interval: .milliseconds(250))
        #expect((5...10).contains(reports.count))
        #expect(reports.last?.progress == .complete)
        for (earlier, later) in zip(times, times.dropFirst().dropLast()) {
            #expect(later - earlier >= .milliseconds(250))
        }
    }

    @Test("fails at the requested step as often as the job requests, and then succeeds")
    func faults() async throws {
        let simulation = Simulation(failStage: StageName(unchecked: "frames"), failTimes: 2, failAt: 0.5)
        let (first, reports, _) = await run(Work.claim(attempt: 1, simulation: simulation))
        #expect(throws: StageFailure(message: "simulated failure 1 of 2", isRetryable: true)) { try first.get() }
        #expect(reports.last?.progress == Progress(0.5))
        let (third, _, _) = await run(Work.claim(attempt: 3, simulation: simulation))
        _ = try third.get()
        var fatal = simulation
        fatal.fatal = true
        let (end, _, _) = await run(Work.claim(attempt: 2, simulation: fatal))
        #expect(throws: StageFailure(message: "simulated failure 2 of 2", isRetryable: false)) { try end.get() }
        let (elsewhere, _, _) = await run(Work.claim(Work.stage("encode"), simulation: simulation))
        _ = try elsewhere.get()
    }

    @Test("marks an output that is an object as simulated")
    func output() async throws {
        let claim = Work.claim(Work.stage(output: .object(["video": .string("v")])))
        #expect(try await run(claim).result.get() == .object(["video": .string("v"), "simulated": .bool(true)]))
        #expect(try await run(Work.claim(Work.stage(output: .integer(1)))).result.get() == .integer(1))
    }
}
