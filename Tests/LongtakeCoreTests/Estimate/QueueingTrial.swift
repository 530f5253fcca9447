import LongtakeTesting

@testable import LongtakeCore

/// A queueing system in virtual time, which asks the real estimator about each of its jobs and
/// compares the answers with what happens.
///
/// One tenant, one priority, Poisson arrivals of three mixed kinds of jobs. The oldest job on a
/// queue goes first, as in the daemon.
struct QueueingTrial {
    let workload: Workload
    private var chance: Chance
    private var now = 0.0
    private var jobs: [Run] = []
    private var pools: [QueueName: Pool]
    private var agenda = Agenda()
    private var history = EstimateHistory()
    private(set) var outcome = TrialOutcome()

    /// A job of the trial.
    private struct Run {
        let kind: Int
        let pipeline: Pipeline
        var stageIndex = 0
        var readyAt = 0.0
        var expectedTurns = 0
        var claimsAtReady = 0
        /// `nil` while the stage waits.
        var claimedAt: Double?
        var wait: StageRun.Wait?
        var doneSeconds = 0.0
        var isPastHalf = false
        var predictions = JobPredictions()
        var asked: [TrialMoment: (at: Double, estimate: JobEstimate)] = [:]

        var stage: Stage { pipeline.stages[stageIndex] }
        var allSeconds: Double { pipeline.stages.reduce(0) { $0 + $1.expectedSeconds } }
        var progress: Double { isPastHalf ? 0.5 : min(doneSeconds / allSeconds, 0.49) }
    }

    /// The workers of a queue, and the jobs that wait for them, the oldest first.
    private struct Pool {
        let workers: Int
        var running = 0
        var waiting: [Int] = []
        var claims = 0

        var load: QueueLoad { QueueLoad(workers: workers, running: running, waiting: waiting.count) }
    }

    init(_ workload: Workload, seed: UInt64) {
        self.workload = workload
        chance = Chance(seed: seed)
        pools = workload.workers.mapValues { Pool(workers: $0) }
    }

    /// Submits so many jobs, and runs until the last one has ended.
    mutating func run(jobs count: Int) {
        var at = 0.0
        for _ in 0..<count {
            at += chance.exponential(mean: workload.secondsBetweenJobs)
            agenda.add(.arrival, at: at)
        }
        while let (time, step) = agenda.next() {
            now = time
            switch step {
            case .arrival: arrive()
            case .half(let job): reachHalf(job)
            case .end(let job): end(job)
            }
        }
    }

    // MARK: Steps

    private mutating func arrive() {
        let kind = chance.index(weights: workload.kinds.map(\.share))
        let scale = chance.element(workload.kinds[kind].scales)
        jobs.append(Run(kind: kind, pipeline: workload.kinds[kind].pipeline(scale)))
        let job = jobs.count - 1
        ready(job)
        ask(job, .submission, .queued)
        claim(on: jobs[job].stage.queue)
    }

    private mutating func ready(_ job: Int) {
        let queue = jobs[job].stage.queue
        guard var pool = pools[queue] else { return }
        let place = pool.waiting.firstIndex { $0 > job } ?? pool.waiting.count
        jobs[job].readyAt = now
        jobs[job].claimedAt = nil
        jobs[job].expectedTurns = pool.load.turns(claimsBefore: place)
        jobs[job].claimsAtReady = pool.claims
        pool.waiting.insert(job, at: place)
        pools[queue] = pool
    }

    private mutating func claim(on queue: QueueName) {
        while let pool = pools[queue], pool.running < pool.workers, let job = pool.waiting.first {
            pools[queue]?.waiting.removeFirst()
            pools[queue]?.running += 1
            pools[queue]?.claims += 1
            let turns = now > jobs[job].readyAt ? pool.claims - jobs[job].claimsAtReady + 1 : 0
            let isFirst = jobs[job].stageIndex == 0
            jobs[job].wait = isFirst ? StageRun.Wait(expectedTurns: jobs[job].expectedTurns, turns: turns) : nil
            jobs[job].claimedAt = now
            if jobs[job].stageIndex == 0 { ask(job, .firstStart, .running) }
            begin(job)
        }
    }

    private mutating func begin(_ job: Int) {
        let run = jobs[job]
        let stage = workload.kinds[run.kind].stages[run.stageIndex]
        var seconds = run.stage.expectedSeconds * stage.trueRatio * chance.lognormal(deviation: stage.deviation)
        if let slowdown = workload.slowdown, jobs.count > slowdown.job { seconds *= slowdown.factor }
        let half = (run.allSeconds / 2 - run.doneSeconds) / run.stage.expectedSeconds
        if !run.isPastHalf, half < 1 { agenda.add(.half(job), at: now + max(half, 0) * seconds) }
        agenda.add(.end(job), at: now + seconds)
    }

    private mutating func reachHalf(_ job: Int) {
        jobs[job].isPastHalf = true
        ask(job, .half, .runningSecondHalf)
    }

    private mutating func end(_ job: Int) {
        let run = jobs[job]
        let stage = run.stage
        pools[stage.queue]?.running -= 1
        if let counted = StageRun(
            of: stage, in: run.pipeline.name, seconds: now - (run.claimedAt ?? now), wait: run.wait, .init())
        {
            history.add(counted)
        }
        jobs[job].doneSeconds += stage.expectedSeconds
        if run.stageIndex + 1 < run.pipeline.stages.count {
            jobs[job].stageIndex += 1
            ready(job)
            claim(on: jobs[job].stage.queue)
        } else {
            history.add(run.predictions, of: run.pipeline.name, endedAt: .trial(now))
            compare(job)
        }
        claim(on: stage.queue)
    }

    // MARK: Answers

    private mutating func ask(_ job: Int, _ moment: TrialMoment, _ phase: EstimatePhase) {
        let run = jobs[job]
        let claimsBefore = pools[run.stage.queue]?.waiting.firstIndex(of: job) ?? 0
        let standing: JobOutlook.Standing =
            run.claimedAt.map { .executing(elapsed: now - $0) } ?? .ready(claimsBefore: claimsBefore, isFirst: true)
        let outlook = JobOutlook(
            pipeline: run.pipeline, stageIndex: run.stageIndex, standing: standing, progress: run.progress)
        let estimator = Estimator(history, queues: pools.mapValues(\.load))
        jobs[job].predictions.begin(phase, estimator.forecast(outlook), at: .trial(now))
        if let estimate = estimator.estimate(outlook) { jobs[job].asked[moment] = (now, estimate) }
    }

    private mutating func compare(_ job: Int) {
        let run = jobs[job]
        for (moment, answer) in run.asked {
            outcome.add(moment, job: job, answer.estimate.eta, actual: now - answer.at)
        }
        if let submitted = run.asked[.submission], let claimed = run.predictions.claimedAt {
            let wait = claimed.seconds(since: .trial(submitted.at))
            // A job that is claimed at once, as predicted, would only flatter the numbers.
            guard wait > 0 || submitted.estimate.queueWait.p50 > 0 else { return }
            outcome.add(.wait, job: job, submitted.estimate.queueWait, actual: wait)
        }
    }
}

extension Timestamp {
    /// A moment of the virtual time.
    fileprivate static func trial(_ seconds: Double) -> Timestamp {
        Timestamp(millisecondsSince1970: Int64((seconds * 1000).rounded()))
    }
}

/// The steps to come, in the order of their times.
private struct Agenda {
    enum Step {
        case arrival
        case half(Int)
        case end(Int)
    }

    /// The latest first. Only a few steps besides the arrivals wait at once.
    private var arrivals: [Double] = []
    private var steps: [(at: Double, step: Step)] = []

    mutating func add(_ step: Step, at time: Double) {
        if case .arrival = step { return arrivals.append(time) }
        let place = steps.firstIndex { $0.at <= time } ?? steps.count
        steps.insert((time, step), at: place)
    }

    private var nextArrival = 0

    mutating func next() -> (Double, Step)? {
        let arrival = nextArrival < arrivals.count ? arrivals[nextArrival] : .infinity
        if let step = steps.last, step.at <= arrival { return steps.popLast().map { ($0.at, $0.step) } }
        guard arrival < .infinity else { return nil }
        nextArrival += 1
        return (arrival, .arrival)
    }
}
