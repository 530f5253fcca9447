/// Estimates when a job ends, from what finished runs have taught and from the queues as they are.
/// docs/eta.md explains the numbers and says how far off they are.
public struct Estimator: Sendable {
    private let history: EstimateHistory
    private let queues: [QueueName: QueueLoad]

    /// - Parameter queues: the state of each queue. A missing one counts as a queue with one free
    ///   worker.
    public init(_ history: EstimateHistory, queues: [QueueName: QueueLoad]) {
        self.history = history
        self.queues = queues
    }

    /// The estimate that clients see.
    /// - Returns: `nil` while no number would be honest: a stage that is still needed has fewer
    ///   than ``EstimateLimits/runs`` finished runs or a paused queue, a person is waited for, the
    ///   job has a speed of its own, or it has ended or is to be canceled.
    public func estimate(_ job: JobOutlook) -> JobEstimate? {
        guard let forecast = forecast(job), forecast.isLearned else { return nil }
        let (seconds, wait) = (forecast.seconds, forecast.queueWaitSeconds)
        let pipeline = job.pipeline.name
        return JobEstimate(
            eta: .init(
                p50: seconds, p90: seconds * factor(pipeline, .end(job.phase), spread: forecast.relativeDeviation)),
            // A wait without history is taken as memoryless: as long as its standard deviation.
            queueWait: .init(p50: wait, p90: wait * factor(pipeline, .firstClaim, spread: 1)))
    }

    /// The means, also while there are too few runs for an estimate.
    /// - Returns: `nil` in the other cases of ``estimate(_:)``.
    public func forecast(_ job: JobOutlook) -> Forecast? {
        guard !job.isSpedUp, !job.waitsForPerson, job.pipeline.stages.indices.contains(job.stageIndex) else {
            return nil
        }
        var forecast = Forecast()
        guard current(job, into: &forecast) else { return nil }
        for stage in job.pipeline.stages[(job.stageIndex + 1)...] {
            let load = load(ofLater: stage, of: job)
            guard !load.isPaused else { return nil }
            forecast.wait(turns: turns(on: load), of: turnSeconds(stage), isNow: false)
            forecast.work(known(stage, of: job), expected: stage.expectedSeconds)
        }
        return forecast
    }

    /// The turns of a stage that is not ready yet, as if it became ready now: what waits on its
    /// queue goes before it.
    ///
    /// That is wrong about both what leaves the queue until then and what arrives. On average the
    /// two are equal, and a queue that is long now is longer than usual for a while.
    private func turns(on load: QueueLoad) -> Double { Double(load.turns(claimsBefore: load.waiting)) }

    /// Adds the current stage.
    /// - Returns: whether the job can go on.
    private func current(_ job: JobOutlook, into forecast: inout Forecast) -> Bool {
        let stage = job.pipeline.stages[job.stageIndex]
        let (known, load) = (known(stage, of: job), load(stage))
        switch job.standing {
        case .over:
            return false
        case .executing(let elapsed):
            forecast.rest(known, expected: stage.expectedSeconds, elapsed: elapsed)
            return true
        case .delayed(let seconds):
            guard !load.isPaused else { return false }
            // The stage is not on its queue yet, so the load does not contain it.
            forecast.delay(seconds)
            forecast.wait(turns: turns(on: load), of: turnSeconds(stage), isNow: true)
            forecast.work(known, expected: stage.expectedSeconds)
        case .ready(let claimsBefore, let isFirst, let progress):
            guard !load.isPaused else { return false }
            // Few stages go before a later one without waiting now: only those of older jobs do.
            let turns = Double(load.turns(claimsBefore: claimsBefore)) * (isFirst ? overtaking(stage) : 1)
            forecast.wait(turns: turns, of: turnSeconds(stage), isNow: true)
            forecast.work(known, expected: stage.expectedSeconds * (1 - min(max(progress, 0), 1)))
        }
        return true
    }

    private func known(_ stage: Stage, of job: JobOutlook) -> StageHistory {
        history.stages[EstimateHistory.StageKey(job.pipeline.name, stage.name)] ?? StageHistory()
    }

    private func load(_ stage: Stage) -> QueueLoad { queues[stage.queue] ?? QueueLoad(workers: 1) }

    /// The load that a later stage meets. It does not contain the current stage of the same job,
    /// which always ends before the later one becomes ready.
    private func load(ofLater stage: Stage, of job: JobOutlook) -> QueueLoad {
        var load = load(stage)
        guard stage.queue == job.pipeline.stages[job.stageIndex].queue else { return load }
        switch job.standing {
        case .executing:
            // Without this, the width of a remote queue would shrink with the running stages.
            load.workers = load.width
            load.running = max(0, load.running - 1)
        case .ready: load.waiting = max(0, load.waiting - 1)
        case .delayed, .over: break
        }
        return load
    }

    private func overtaking(_ stage: Stage) -> Double { history.queues[stage.queue]?.overtaking ?? 1 }

    private func turnSeconds(_ stage: Stage) -> Double {
        (history.queues[stage.queue]?.serviceSeconds ?? stage.expectedSeconds) / Double(load(stage).width)
    }

    /// The 90th percentile ÷ the mean.
    /// - Parameter spread: the standard deviation ÷ the mean. It decides until there are
    ///   ``EstimateLimits/runs`` ends to compare with; 1.28 deviations are the 90th percentile of a
    ///   normal distribution.
    private func factor(
        _ pipeline: PipelineName, _ measure: EstimateHistory.AccuracyKey.Measure, spread: Double
    ) -> Double {
        guard let ratios = history.accuracies[EstimateHistory.AccuracyKey(pipeline, measure)],
            ratios.values.count >= EstimateLimits.runs, let percentile = ratios.percentile(0.9)
        else { return 1 + 1.28 * spread }
        return percentile
    }
}

/// The sum of the means of everything that a job still waits for and works on.
public struct Forecast: Hashable, Sendable {
    /// Until the end of the job.
    public private(set) var seconds = 0.0
    /// Until a worker claims the current stage.
    public private(set) var queueWaitSeconds = 0.0
    /// Whether each stage that is still needed has ``EstimateLimits/runs`` finished runs.
    public private(set) var isLearned = true
    private var variance = 0.0

    /// The standard deviation ÷ ``seconds``, if all parts are independent.
    var relativeDeviation: Double { seconds > 0 ? variance.squareRoot() / seconds : 0 }

    mutating func delay(_ seconds: Double) {
        self.seconds += max(0, seconds)
        queueWaitSeconds += max(0, seconds)
    }

    /// - Parameter isNow: whether the current stage waits, and not a later one.
    mutating func wait(turns: Double, of turnSeconds: Double, isNow: Bool) {
        let mean = turns * turnSeconds
        seconds += mean
        if isNow { queueWaitSeconds += mean }
        // As if each turn were memoryless and independent of the others.
        variance += mean * turnSeconds
    }

    mutating func work(_ known: StageHistory, expected: Double) {
        seconds += known.mean * expected
        variance += known.variance * expected * expected
        if known.runs < EstimateLimits.runs { isLearned = false }
    }

    mutating func rest(_ known: StageHistory, expected: Double, elapsed: Double) {
        let rest = known.remainder(after: max(0, elapsed) / expected) * expected
        seconds += rest
        variance += min(known.variance * expected * expected, rest * rest)
        if known.runs < EstimateLimits.runs { isLearned = false }
    }
}
