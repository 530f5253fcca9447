import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeEngine

@Suite("engine with command stages")
struct CommandStageTests {
    @Test("gives commands ten times their expected duration at any speed, at least an hour, and their own grace")
    func commandLimits() {
        func claim(_ seconds: Double, limit: Double? = nil, grace: Double = 30) -> Claim {
            let stage = Stage(
                name: StageName(unchecked: "a"), queue: Work.cpu, expectedSeconds: seconds, timeLimitSeconds: limit,
                work: .command(CommandWork(arguments: [], graceSeconds: grace)))
            return Work.claim(stage, simulation: Simulation(speed: 100))
        }
        #expect(claim(10).timeLimit(atSpeed: 1_000) == .seconds(3_600))
        #expect(claim(1_000).timeLimit(atSpeed: 1_000) == .seconds(10_000))
        #expect(claim(10, limit: 5).timeLimit(atSpeed: 1) == .seconds(5))
        #expect(claim(80_000).timeLimit(atSpeed: 1) == .seconds(86_400))
        #expect(claim(10).stopGrace(usual: .seconds(10)) == .seconds(135))
        #expect(Work.claim().stopGrace(usual: .seconds(10)) == .seconds(10))
    }

    /// Without the translation in `StageWorker` the stage stays claimed, and this test does not end.
    @Test("a stage fails if its result has the name of another stage's artifact")
    func takenName() async throws {
        var runner = ClosureRunner { _, _ in nil }
        runner.artifacts = [Samples.artifact("video.mp4", 1, .result)]
        let fixture = EngineFixture(runner: runner)
        fixture.engine.start()
        let job = try await fixture.submit(Work.submission([Work.stage("a"), Work.stage("b")]))
        await fixture.events.wait(for: job) { $0.last?.isFinal == true }
        #expect(
            fixture.events.types(of: job) == [
                .jobQueued, .jobStarted, .stageStarted, .artifactCreated, .stageSucceeded, .stageStarted, .jobFailed,
            ])
        #expect(fixture.events.text(of: job).contains(#""code":"artifact_name_taken""#))
        #expect(try await fixture.job(job).error?.stage == StageName(unchecked: "b"))
        await fixture.engine.drain(deadline: .seconds(5))
    }

    @Test("a stage that cannot store anything waits, returns to its queue with its checkpoint, and loses no attempt")
    func fullDisk() async throws {
        let claims = Seen<Claim>()
        let fixture = EngineFixture(
            runner: .init { claim, report in
                claims.add(claim)
                guard claim.checkpoint == .none else { return nil }
                try await report(StageReport(progress: Progress(0.5), message: "", checkpoint: .integer(7)))
                throw StageInterruption(.disk)
            })
        fixture.engine.start()
        let job = try await fixture.submit(Work.submission())
        await fixture.clock.sleeper(dueIn: EngineLimits.interruptionPause)
        fixture.clock.advance(by: EngineLimits.interruptionPause)
        await fixture.events.wait(for: job) { $0.last?.isFinal == true }
        #expect(
            fixture.events.types(of: job) == [
                .jobQueued, .jobStarted, .stageStarted, .stageProgress, .jobInterrupted, .jobResumed, .stageSucceeded,
                .jobSucceeded,
            ])
        #expect(claims.list.map(\.attempt) == [1, 1])
        #expect(claims.list.last?.checkpoint == Checkpoint(progress: Progress(0.5), data: .integer(7)))
        #expect(fixture.events.text(of: job).split(separator: #""reason":"disk""#).count == 2)
    }
}
