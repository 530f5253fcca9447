import Logging
import LongtakeCore

/// One run of a stage against its time limit. A thin shell: it carries out what ``AttemptState`` decides.
struct StageAttempt: Sendable {
    let claim: Claim
    let runner: any StageRunner
    let clock: any Clock<Duration>
    let limit: Duration
    /// How long a runner that was told to stop may take to end.
    let grace: Duration
    let reporter: StageReporter
    let abandoned: AbandonedAttempts
    let logger: Logger

    private enum Event: Sendable {
        case ended(AttemptEnd)
        case limitPassed
        case toldToStop
        case graceOver
    }

    /// Runs to the end; cancelling the task that this is called in stops the run.
    ///
    /// It returns after the grace even if the runner ignores that it was told to stop. So the run is a task of its own: a task group would
    /// wait for it.
    func run() async -> AttemptEnd {
        let (events, send) = AsyncStream<Event>.makeStream()
        reporter.observeStop { send.yield(.toldToStop) }
        // Unstructured, because iterating a stream ends when its task is cancelled, and this has to go on then.
        let attempt = Task { await follow(events, send) }
        return await withTaskCancellationHandler {
            await attempt.value
        } onCancel: {
            send.yield(.toldToStop)
        }
    }

    private func follow(_ events: AsyncStream<Event>, _ send: AsyncStream<Event>.Continuation) async -> AttemptEnd {
        // Unstructured, so that nobody has to wait for a runner that does not end.
        let run = Task { send.yield(.ended(await runStage())) }
        let limit = Task {
            if (try? await TimeLimit(limit: self.limit, clock: clock).pass()) != nil { send.yield(.limitPassed) }
        }
        var grace: Task<Void, Never>?
        defer {
            limit.cancel()
            grace?.cancel()
        }
        var (state, end) = (AttemptState(), AttemptEnd.stopped)
        for await event in events {
            let action: AttemptState.Action
            switch event {
            case .ended(let ended):
                end = ended
                action = state.ended()
            case .limitPassed: action = state.limitPassed()
            case .toldToStop: action = state.toldToStop()
            case .graceOver: action = state.graceOver()
            }
            switch action {
            case .nothing: break
            case .stop:
                run.cancel()
                // Unstructured, like the limit: it is cancelled when this returns.
                grace = Task {
                    if (try? await TimeLimit(limit: self.grace, clock: clock).pass()) != nil { send.yield(.graceOver) }
                }
            case .end: return outcome(end, isLate: state.isLate)
            case .abandon: return outcome(abandon(), isLate: state.isLate)
            }
        }
        return end
    }

    /// What the limit stopped reads as stopped. An end of its own that came just before stays what it is.
    private func outcome(_ end: AttemptEnd, isLate: Bool) -> AttemptEnd {
        guard isLate, case .stopped = end else { return end }
        let seconds = Int(limit / .seconds(1))
        return .failed(
            StageFailure(code: "stage_timed_out", message: "the stage took more than \(seconds) s", isRetryable: true))
    }

    /// From here on the runner's reports are refused here, and by the journal, because the claim ends.
    private func abandon() -> AttemptEnd {
        let isLost = reporter.stop == .lost
        reporter.close()
        abandoned.add()
        logger.error(
            "a runner did not stop when it was told to; its attempt is abandoned and its worker is free",
            metadata: ["grace_seconds": "\(grace.inSeconds)"])
        return isLost ? .lost : .stopped
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
