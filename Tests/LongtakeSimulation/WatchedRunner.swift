import LongtakeCore
import LongtakeEngine
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

    func run(_ claim: Claim, report: @escaping @Sendable (StageReport) async throws -> Void) async throws -> JSONValue?
    {
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
        return try await inner.run(claim) { original in
            let checkpoint = JSONValue.object(["at": .number(original.progress.value)])
            try await report(
                StageReport(progress: original.progress, message: original.message, checkpoint: checkpoint))
        }
    }

    /// Checks that the run got the outputs of all earlier stages, and the checkpoint of the newest
    /// report of this attempt.
    private func checkInputs(of claim: Claim) {
        let sources = claim.outputs.mapValues { $0["from"]?.text ?? "nothing" }
        stage.verdict.check(
            claim.outputs.count == claim.stageIndex && sources.allSatisfy { $0.key.description == $0.value }, .stages,
            "\(claim.job): stage \(claim.stageIndex + 1) got the outputs \(sources)")
        let at = claim.checkpoint.data?["at"]?.double
        stage.verdict.check(
            (at ?? 0) == claim.checkpoint.progress.value, .stages,
            "\(claim.job): the checkpoint at \(claim.checkpoint.progress.value) has the data of \(at ?? 0)")
    }
}
