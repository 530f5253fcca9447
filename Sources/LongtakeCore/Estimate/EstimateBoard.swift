import Synchronization

/// The newest committed state of an ``EstimateLedger``, from which readers estimate. The writer
/// publishes it after each commit that has changed it.
public final class EstimateBoard: Sendable {
    private struct State {
        var history = EstimateHistory()
        var loads: [QueueName: QueueLoad] = [:]
    }

    private let state = Mutex(State())
    private let clock: any WallClock

    /// - Parameter clock: must be the clock of the jobs' times.
    public init(clock: any WallClock) { self.clock = clock }

    /// Replaces the state that readers see.
    public func publish(_ ledger: EstimateLedger) {
        let state = State(history: ledger.history, loads: ledger.loads)
        self.state.withLock { $0 = state }
    }

    /// The estimate of a job that was just read.
    /// - Parameter pipeline: the stored plan of the job.
    public func estimate(_ job: Job, of pipeline: Pipeline) -> JobEstimate? {
        guard let outlook = JobOutlook(job, of: pipeline, at: clock.now()) else { return nil }
        let state = state.withLock { $0 }
        return Estimator(state.history, queues: state.loads).estimate(outlook)
    }
}

extension JobOutlook {
    /// The outlook of a job as clients see it. How long its stage runs comes from the wall clock,
    /// so it is wrong for a moment if that clock was set meanwhile.
    /// - Parameter now: on the wall clock.
    /// - Returns: `nil` if the job has ended, is to be canceled, or is not complete.
    package init?(_ job: Job, of pipeline: Pipeline, at now: Timestamp) {
        guard !job.state.isFinal, !job.cancelRequested, job.stages.count == pipeline.stages.count,
            let index = job.stages.firstIndex(where: { $0.state == .queued || $0.state == .running })
        else { return nil }
        let stage = job.stages[index]
        let standing: Standing
        if stage.state == .running {
            standing = .executing(elapsed: now.seconds(since: stage.startedAt ?? now))
        } else if let claimsBefore = job.queuePosition {
            // A stage that was interrupted goes on from its checkpoint. One that failed begins
            // anew, and has no progress.
            standing = .ready(
                claimsBefore: claimsBefore, isFirst: job.state == .queued, progress: stage.progress.value)
        } else {
            // The rest of the delay is at most a minute by default, and clients cannot see it.
            standing = .delayed(seconds: 0)
        }
        self.init(
            pipeline: pipeline, stageIndex: index, standing: standing, progress: job.progress.value,
            isSpedUp: job.simulation?.speed != nil)
    }
}
