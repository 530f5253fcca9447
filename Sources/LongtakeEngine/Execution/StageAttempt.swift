import Logging
import LongtakeCore

/// One run of a stage against its time limit.
struct StageAttempt: Sendable {
    let claim: Claim
    let runner: any StageRunner
    let clock: any Clock<Duration>
    let limit: Duration
    let reporter: StageReporter
    let logger: Logger

    private enum Event: Sendable {
        case ended(AttemptEnd)
        case limitPassed
        /// The run ended before its limit.
        case limitGone
    }

    /// Runs to the end; cancelling the task that this is called in stops the run.
    func run() async -> AttemptEnd {
        await withTaskGroup(of: Event.self) { group in
            group.addTask { .ended(await self.runStage()) }
            group.addTask {
                let limit = TimeLimit(limit: self.limit, clock: self.clock)
                return (try? await limit.pass()) == nil ? .limitGone : .limitPassed
            }
            var (end, isLate) = (AttemptEnd.stopped, false)
            for await event in group {
                switch event {
                case .ended(let ended): end = ended
                case .limitPassed: isLate = true
                case .limitGone: continue
                }
                group.cancelAll()
            }
            // What the limit stopped reads as stopped. An end of its own that came just before stays what it is.
            guard isLate, case .stopped = end else { return end }
            let seconds = Int(limit / .seconds(1))
            return .failed(
                StageFailure(
                    code: "stage_timed_out", message: "the stage took more than \(seconds) s", isRetryable: true))
        }
    }

    private func runStage() async -> AttemptEnd {
        do {
            let output = try await runner.run(claim, report: { try await reporter.report($0) })
            return reporter.stop == .lost ? .lost : .succeeded(output: output)
        } catch {
            return end(with: error)
        }
    }

    private func end(with error: any Error) -> AttemptEnd {
        switch reporter.stop {
        case .lost: return .lost
        case .canceling: return .stopped
        // Whatever a run throws after it was told to stop is the stop's doing, and burns no attempt.
        case nil where Task.isCancelled: return .stopped
        case nil: break
        }
        if let failure = error as? StageFailure { return .failed(failure) }
        // Only the log gets the details: they may hold paths, and mean nothing to whoever submitted the job.
        logger.error("a stage failed with an error of no known kind", metadata: ["error": "\(error)"])
        return .failed(StageFailure(message: "the stage failed unexpectedly", isRetryable: true))
    }
}
