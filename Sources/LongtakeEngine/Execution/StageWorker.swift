import Logging
import LongtakeCore

/// Runs the stage of one claim and stores its result.
struct StageWorker: Sendable {
    let store: any WorkStore
    let runners: StageRunners
    let clock: any Clock<Duration>
    let attempts: ActiveAttempts
    let retries: RetryPolicy
    /// The speed of simulated work for jobs that set no speed of their own.
    let speed: Double
    let reportInterval: Duration
    /// How long a runner may take to end after it was asked to stop.
    let stopGrace: Duration
    let abandoned: AbandonedAttempts
    let logger: Logger

    /// Runs the stage. Returns when its result is stored, or when it is certain that it cannot be
    /// stored.
    func work(_ claim: Claim) async {
        var logger = logger
        logger[metadataKey: "job"] = "\(claim.job)"
        logger[metadataKey: "stage"] = "\(claim.stage.name)"
        logger[metadataKey: "attempt"] = "\(claim.attempt)"
        let reporter = StageReporter(
            claim: claim, store: store, interval: reportInterval, timeline: Timeline(on: clock), logger: logger)
        let attempt = StageAttempt(
            claim: claim, runner: runners.runner(of: claim.stage.work.kind), clock: clock,
            limit: claim.timeLimit(atSpeed: speed), grace: claim.stopGrace(usual: stopGrace),
            reporter: reporter, abandoned: abandoned, logger: logger)
        let run = attempts.begin(claim) { await attempt.run() }
        let end = await run?.value ?? .stopped
        // The result keeps the content of its artifacts until their rows are committed.
        defer { withExtendedLifetime(end) {} }
        if let outcome = retries.outcome(of: end, for: claim) {
            if case .interrupted = outcome { await reporter.storeLastCheckpoint() }
            await finish(claim, with: outcome, logger: logger)
        }
        attempts.end(claim)
    }

    /// Retries until the result is stored or this task is cancelled, which happens only when the
    /// drain's deadline passes.
    private func finish(_ claim: Claim, with outcome: StageOutcome, logger: Logger) async {
        var outcome = outcome
        for failures in 1... {
            do {
                _ = try await store.finish(claim, with: outcome)
                return
            } catch JournalError.refused(.artifactNameTaken) where outcome.hasArtifacts {
                // A failure has no artifacts, so the store does not refuse it for the same reason.
                logger.warning("a result has the name of another stage's artifact, so the stage fails")
                outcome = .failed(.artifactNameTaken(in: claim.stage.name))
                continue
            } catch JournalError.overloaded, JournalError.cannotPersist {
                logger.warning("cannot store the result of a stage; will retry", metadata: ["tries": "\(failures)"])
            } catch {
                logger.error("the result of a stage was not stored", metadata: ["error": "\(error)"])
                return
            }
            do {
                try await clock.sleep(for: Backoff.persisting.delay(afterFailures: failures))
            } catch {
                logger.error("the result of a stage was not stored, because the shutdown deadline passed")
                return
            }
        }
    }
}

extension StageOutcome {
    /// Whether the stage succeeded with results.
    fileprivate var hasArtifacts: Bool {
        if case .succeeded(_, let artifacts) = self { return !artifacts.isEmpty }
        return false
    }
}

extension JobError {
    /// The store refused the results of a stage that had succeeded. Its content was not registered,
    /// so it is removed.
    fileprivate static func artifactNameTaken(in stage: StageName) -> JobError {
        JobError(
            code: "artifact_name_taken", message: "another stage of the job has made an artifact of the same name",
            stage: stage)
    }
}
