import LongtakeCore
import LongtakeEngine
import LongtakeTesting
import Synchronization

/// The simulated runner with checks of O5: a job never runs twice at once, and each run has a
/// durable claim.
final class WatchedRunner: StageRunner {
    private let inner: SimulatedRunner
    private let boot: Int
    private let stage: Stagehand
    private let running = Mutex<[JobID: ClaimID]>([:])

    init(clock: any Clock<Duration>, boot: Int, stage: Stagehand) {
        inner = SimulatedRunner(speed: 1, clock: clock)
        self.boot = boot
        self.stage = stage
    }

    func run(_ claim: Claim, reports: StageReports) async throws -> StageResult {
        let other = running.withLock { running in
            defer { running[claim.job] = claim.id }
            return running[claim.job]
        }
        stage.trace.tell(
            "run \(claim.job) \(claim.stage.name) attempt \(claim.attempt) from \(claim.checkpoint.progress.value)")
        stage.verdict.check(other == nil, .stages, "two runs of \(claim.job) at the same time")
        let owner = stage.book.jobs[claim.job]?.owner
        stage.verdict.check(
            owner.map { $0.claim == claim.id && $0.boot == boot } ?? false, .stages,
            "\(claim.job) runs for a claim that is not durable")
        checkInputs(of: claim)
        defer { running.withLock { $0[claim.job] = nil } }
        let withCheckpoints = StageReports { original in
            let checkpoint = JSONValue.object([
                "at": .number(original.progress.value), "attempt": .integer(Int64(claim.attempt)),
            ])
            try await reports.report(
                StageReport(progress: original.progress, message: original.message, checkpoint: checkpoint))
            try await self.registerPreview(of: claim, reports)
        }
        var result = try await inner.run(claim, reports: withCheckpoints)
        result.artifacts = [Samples.artifact("result of \(claim.stage.name)", stage.nextContent(), .result)]
        return result
    }

    /// Registers a preview now and then. Its name may belong to another stage.
    private func registerPreview(of claim: Claim, _ reports: StageReports) async throws {
        let number = stage.nextContent()
        guard !number.isMultiple(of: 3) else { return }
        let name = number.isMultiple(of: 5) ? "frame" : "frame of \(claim.stage.name)"
        let artifact = Samples.artifact(name, number)
        do {
            try await reports.register(artifact)
            stage.verdict.check(
                stage.book.jobs[claim.job]?.authors[artifact.content.hash] == claim.id, .honesty,
                "\(claim.job): the artifact “\(name)” is acknowledged, but its event is missing")
        } catch is StageFailure {
            let maker = stage.book.jobs[claim.job]?.artifacts[artifact.name]?.stage
            stage.verdict.check(
                maker != nil && maker != claim.stage.name, .honesty,
                "\(claim.job): the name “\(name)” is rejected, but no other stage has it")
        } catch let error as JournalError {
            stage.trace.tell("\(claim.job): an artifact cannot be stored: \(error)")
        }
    }

    /// Checks that the run got the outputs of all earlier stages, and the checkpoint of the newest
    /// report of this attempt, and the artifacts of the job.
    private func checkInputs(of claim: Claim) {
        let sources = claim.outputs.mapValues { $0["from"]?.text ?? "nothing" }
        stage.verdict.check(
            claim.outputs.count == claim.stageIndex && sources.allSatisfy { $0.key.description == $0.value }, .stages,
            "\(claim.job): stage \(claim.stageIndex + 1) got the outputs \(sources)")
        let data = claim.checkpoint.data
        let (at, attempt) = (data?["at"]?.double ?? 0, data?["attempt"]?.double ?? Double(claim.attempt))
        let told = stage.book.jobs[claim.job]?.artifacts.mapValues { $0.hash }
        stage.verdict.check(
            Dictionary(uniqueKeysWithValues: claim.artifacts.map { ($0.artifact.name, $0.artifact.content.hash) })
                == told, .stages, "\(claim.job): a claim got other artifacts than the events tell of")
        // The data may be newer than the progress: a checkpoint alone writes no event.
        stage.verdict.check(
            at >= claim.checkpoint.progress.value && attempt == Double(claim.attempt), .stages,
            "\(claim.job): the checkpoint at \(claim.checkpoint.progress.value) has the data of \(at)")
    }
}
