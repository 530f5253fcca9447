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
        stage.verdict.check(other == nil, .stages, "two runs of \(claim.job) at once")
        let owner = stage.book.jobs[claim.job]?.owner
        stage.verdict.check(
            owner.map { $0.claim == claim.id && $0.boot == boot } ?? false, .stages,
            "\(claim.job) runs in the name of a claim that is not durable")
        defer { running.withLock { $0[claim.job] = nil } }
        return try await inner.run(claim, report: report)
    }
}
