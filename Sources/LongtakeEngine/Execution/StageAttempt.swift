import Logging
import LongtakeCore
import Synchronization

/// Runs one attempt of a stage within its time limit. ``AttemptState`` decides, and this type
/// performs its actions.
///
/// A class, because its tasks would each keep a copy of the claim otherwise: 6 KB for each running
/// stage.
final class StageAttempt: Sendable {
    let claim: Claim
    let runner: any StageRunner
    let clock: any Clock<Duration>
    let limit: Duration
    /// How long a runner may take to end after it was asked to stop.
    let grace: Duration
    let reporter: StageReporter
    let abandoned: AbandonedAttempts
    let logger: Logger

    init(
        claim: Claim, runner: any StageRunner, clock: any Clock<Duration>, limit: Duration, grace: Duration,
        reporter: StageReporter, abandoned: AbandonedAttempts, logger: Logger
    ) {
        self.claim = claim
        self.runner = runner
        self.clock = clock
        self.limit = limit
        self.grace = grace
        self.reporter = reporter
        self.abandoned = abandoned
        self.logger = logger
    }

    private enum Event: Sendable {
        case ended(AttemptEnd)
        case limitPassed
        case stopRequested
        case graceOver
    }

    /// Runs the attempt to its end. To stop it, cancel the task that calls this.
    ///
    /// It returns after the grace period even if the runner ignores the cancellation. So the runner
    /// has an unstructured task: a task group would wait for it.
    func run() async -> AttemptEnd {
        let (events, send) = AsyncStream<Event>.makeStream()
        reporter.observeStop { send.yield(.stopRequested) }
        // Unstructured, because the loop over the events must go on after the caller's task is
        // cancelled.
        let attempt = Task { await self.follow(events, send) }
        return await withTaskCancellationHandler {
            await attempt.value
        } onCancel: {
            send.yield(.stopRequested)
        }
    }

    private func follow(_ events: AsyncStream<Event>, _ send: AsyncStream<Event>.Continuation) async -> AttemptEnd {
        // Unstructured, so that the attempt can end before a runner that does not stop.
        let run = Task { send.yield(.ended(await self.runStage())) }
        let limit = timer(limit) { send.yield(.limitPassed) }
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
            case .stopRequested: action = state.stopRequested()
            case .graceOver: action = state.graceOver()
            }
            switch action {
            case .nothing: break
            case .stop:
                run.cancel()
                grace = timer(self.grace) { send.yield(.graceOver) }
            case .end: return outcome(end, isTimedOut: state.isTimedOut)
            case .abandon: return outcome(abandon(), isTimedOut: state.isTimedOut)
            }
        }
        return end
    }

    /// Unstructured, because it ends when the attempt cancels it, or by itself.
    private func timer(_ limit: Duration, _ action: @escaping @Sendable () -> Void) -> Task<Void, Never> {
        Task { [clock] in
            if (try? await TimeLimit(limit: limit, clock: clock).wait()) != nil { action() }
        }
    }

    /// An attempt that its time limit stopped counts as failed. If the runner ended by itself just
    /// before the stop, its own result counts.
    private func outcome(_ end: AttemptEnd, isTimedOut: Bool) -> AttemptEnd {
        guard isTimedOut, case .stopped = end else { return end }
        let seconds = Int(limit / .seconds(1))
        return .failed(
            StageFailure(code: "stage_timed_out", message: "the stage took more than \(seconds) s", isRetryable: true))
    }

    /// Ends the attempt without its runner. From here on the reporter rejects the runner's reports.
    /// The journal rejects them too, because the claim ends.
    private func abandon() -> AttemptEnd {
        let isLost = reporter.stop == .lost
        reporter.close()
        abandoned.add()
        logger.error(
            "a runner did not stop within the grace period; its attempt was abandoned and its worker is free",
            metadata: ["grace_seconds": "\(grace.inSeconds)"])
        return isLost ? .lost : .stopped
    }

    private func runStage() async -> AttemptEnd {
        do {
            let reports = StageReports(
                report: { try await self.reporter.report($0) }, register: { try await self.reporter.register($0) },
                admitPreview: { self.reporter.admitsPreview() },
                storeDueCheckpoint: { await self.reporter.storeCheckpointIfDue() })
            let result = try await runner.run(claim, reports: reports)
            return reporter.stop == .lost ? .lost : .succeeded(result)
        } catch let interruption as StageInterruption where reporter.stop == nil && !Task.isCancelled {
            logger.warning(
                "interrupted a stage, which returns to its queue", metadata: ["reason": "\(interruption.reason)"])
            do {
                try await clock.sleep(for: EngineLimits.interruptionPause)
            } catch {
                return end(with: error)
            }
            return reporter.stop == .lost ? .lost : .interrupted(interruption.reason)
        } catch {
            return end(with: error)
        }
    }

    private func end(with error: any Error) -> AttemptEnd {
        switch reporter.stop {
        case .lost: return .lost
        case .canceling: return .stopped
        // An error after the stop was requested is a consequence of the stop. It does not count as
        // a failed attempt.
        case nil where Task.isCancelled: return .stopped
        case nil: break
        }
        if let failure = error as? StageFailure { return .failed(failure) }
        // Only the operator sees the details, because they may contain paths of this machine.
        logger.error("a stage failed with an unexpected error", metadata: ["error": "\(error)"])
        return .failed(StageFailure(message: "the stage failed unexpectedly", isRetryable: true))
    }
}

/// How an attempt ended, before its result is stored.
enum AttemptEnd: Sendable {
    case succeeded(StageResult)
    case failed(StageFailure)
    /// It was stopped, because the daemon shuts down or because the job is to be canceled.
    case stopped
    /// The runner cannot go on now, so the stage returns to its queue.
    case interrupted(InterruptionReason)
    /// The claim is lost or the journal is closed, so no result can be stored.
    case lost
}

/// Counts the attempts that were abandoned since the start, because their runner did not stop
/// within the grace period.
final class AbandonedAttempts: Sendable {
    private let total = Atomic(0)

    var count: Int { total.load(ordering: .relaxed) }

    func add() { total.add(1, ordering: .relaxed) }
}
