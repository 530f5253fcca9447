import Logging
import LongtakeCore

/// Takes one claim from its beginning to its end in the journal.
struct StageWorker: Sendable {
    let store: any WorkStore
    let runners: StageRunners
    let clock: any Clock<Duration>
    let executions: Executions
    let retries: RetryPolicy
    /// Of simulated time, where the job has none of its own.
    let speed: Double
    let reportInterval: Duration
    /// How long a runner that was told to stop may take to end.
    let stopGrace: Duration
    let abandoned: AbandonedAttempts
    let logger: Logger

    /// Runs the stage and returns when its end is written, or known to be impossible to write.
    func work(_ claim: Claim) async {
        var logger = logger
        logger[metadataKey: "job"] = "\(claim.job)"
        logger[metadataKey: "stage"] = "\(claim.stage.name)"
        logger[metadataKey: "attempt"] = "\(claim.attempt)"
        let attempt = StageAttempt(
            claim: claim, runner: runners.runner(of: claim.stage.work.kind), clock: clock,
            limit: claim.timeLimit(atSpeed: speed), grace: stopGrace,
            reporter: StageReporter(
                claim: claim, store: store, interval: reportInterval, timeline: Timeline(on: clock), logger: logger),
            abandoned: abandoned, logger: logger)
        let run = executions.begin(claim) { await attempt.run() }
        let end = await run?.value ?? .stopped
        if let outcome = retries.outcome(of: end, for: claim) {
            await finish(claim, with: outcome, logger: logger)
        }
        executions.end(claim)
    }

    /// Tries until it is written, for as long as this task lives: it is cancelled only when the time of a drain is over.
    private func finish(_ claim: Claim, with outcome: StageOutcome, logger: Logger) async {
        for failures in 1... {
            do {
                _ = try await store.finish(claim, with: outcome)
                return
            } catch JournalError.overloaded, JournalError.cannotPersist {
                logger.warning("cannot write the end of a stage, will try again", metadata: ["tries": "\(failures)"])
            } catch {
                logger.error("the end of a stage is not written", metadata: ["error": "\(error)"])
                return
            }
            do {
                try await clock.sleep(for: Backoff.persisting.delay(afterFailures: failures))
            } catch {
                logger.error("the end of a stage is not written, since the time to stop is over")
                return
            }
        }
    }
}
