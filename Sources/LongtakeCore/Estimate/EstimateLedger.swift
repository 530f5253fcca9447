/// Follows the plans that a store executes, and learns from them: the history of the estimates, the
/// load of the queues, and what was predicted for the jobs that are active.
///
/// A store calls ``follow(_:from:at:hint:)`` for each plan inside its transaction, writes
/// ``takeUnwritten()`` before COMMIT, and then calls ``keep()``, or ``undo()`` after a rollback. A
/// rollback does not undo the notes about single jobs: at worst one run is measured wrongly.
public struct EstimateLedger: Sendable {
    public private(set) var history: EstimateHistory
    private var queues: [QueueName: Counters] = [:]
    private var notes: [JobID: Notes] = [:]
    private var unwritten: Set<EstimateHistory.Key> = []
    /// The state before the present transaction; `nil` if it has changed nothing.
    private var committed: (history: EstimateHistory, queues: [QueueName: Counters])?
    /// How many stages of each queue can run at once. Queues of workers elsewhere are missing.
    private let workers: [QueueName: Int]
    private let notesLimit: Int

    /// The counters of one queue.
    private struct Counters: Hashable {
        var running = 0
        var waiting = 0
        /// The claims since the start.
        var claims = 0
        /// How often it was paused since the start.
        var pauses = 0
        var isPaused = false
    }

    /// What is known about an active job besides its facts.
    private struct Notes {
        let isSpedUp: Bool
        var predictions = JobPredictions()
        var isPastHalf = false
        /// Whether the present claim resumes an attempt.
        var isResumed = false
        /// `nil` if the stage was ready before the start.
        var ready: Ready?
        var wait: StageRun.Wait?
    }

    /// A stage becomes ready.
    private struct Ready {
        let turns: Int
        /// The claims since the start after which no worker is free.
        let claims: Int
        let pauses: Int
    }

    /// - Parameters:
    ///   - history: the stored one.
    ///   - workers: how many stages of each queue can run at once; no entry for queues of workers
    ///     elsewhere.
    ///   - notesLimit: how many active jobs it takes notes of, at about 200 bytes each. Further
    ///     jobs teach nothing.
    public init(_ history: EstimateHistory, workers: [QueueName: Int], notesLimit: Int = 100_000) {
        self.history = history
        self.workers = workers
        self.notesLimit = notesLimit
    }

    /// The state of the queues.
    public var loads: [QueueName: QueueLoad] {
        var loads = workers.mapValues { QueueLoad(workers: $0) }
        for queue in queues.keys { loads[queue] = load(queue) }
        return loads
    }

    private func load(_ queue: QueueName) -> QueueLoad {
        let counters = queues[queue] ?? Counters()
        return QueueLoad(
            workers: workers[queue], running: max(0, counters.running), waiting: max(0, counters.waiting),
            isPaused: counters.isPaused)
    }

    // MARK: Transactions

    /// The rows that the transaction has changed and not yet written.
    public mutating func takeUnwritten() -> [EstimateHistory.Row] {
        defer { unwritten.removeAll(keepingCapacity: true) }
        return unwritten.compactMap { history.row($0) }
    }

    /// The transaction was committed.
    /// - Returns: whether it has changed the history or a queue.
    @discardableResult
    public mutating func keep() -> Bool {
        defer { committed = nil }
        return committed != nil
    }

    /// The transaction was rolled back.
    public mutating func undo() {
        if let committed { (history, queues) = committed }
        committed = nil
        unwritten.removeAll(keepingCapacity: true)
    }

    private mutating func prepare() {
        if committed == nil { committed = (history, queues) }
    }

    // MARK: Queues

    /// Counts what a store finds when it opens, before it puts back the stages of earlier boots.
    public mutating func load(_ queue: QueueName, waiting: Int, running: Int, isPaused: Bool) {
        queues[queue, default: Counters()].waiting += waiting
        queues[queue, default: Counters()].running += running
        queues[queue, default: Counters()].isPaused = isPaused
    }

    /// A waiting stage leaves its queue without a plan, because its rows cannot be read.
    public mutating func leave(_ queue: QueueName) {
        prepare()
        queues[queue, default: Counters()].waiting -= 1
    }

    /// A worker loses a stage without a plan, because the job's rows cannot be read.
    public mutating func lose(_ queue: QueueName) {
        prepare()
        queues[queue, default: Counters()].running -= 1
    }

    /// Drops the notes of a job that ends without a plan.
    public mutating func forget(_ job: JobID) { notes[job] = nil }

    /// A queue is paused or resumed.
    public mutating func pause(_ queue: QueueName, _ isPaused: Bool) {
        prepare()
        var counters = queues[queue] ?? Counters()
        if isPaused, !counters.isPaused { counters.pauses += 1 }
        counters.isPaused = isPaused
        queues[queue] = counters
    }

    // MARK: Plans

    /// What a plan does not say.
    public struct Hint: Hashable, Sendable {
        /// Whether the job has a speed of its own (``Simulation/speed``).
        public let isSpedUp: Bool
        /// The queue position of a new job; `nil` for all that wait.
        public let claimsBefore: Int?

        public init(isSpedUp: Bool, claimsBefore: Int? = nil) {
            self.isSpedUp = isSpedUp
            self.claimsBefore = claimsBefore
        }
    }

    /// Learns from a plan that the store executes now.
    /// - Parameters:
    ///   - before: the job before the plan; `nil` for a submission.
    ///   - moment: the time of the plan.
    ///   - hint: what the store knows when a job is submitted or a stage is claimed; otherwise `nil`.
    public mutating func follow(
        _ plan: LedgerPlan, from before: JobFacts?, at moment: ClockReading, hint: Hint? = nil
    ) {
        guard !plan.isEmpty else { return }
        let job = plan.after
        let isReport = before?.life.phase == .executing && job.life.phase == .executing
        if !isReport { prepare() }
        note(job, hint?.isSpedUp)
        if let before { leave(before, job, moment) }
        count(plan, before)
        if before?.life.isWorking != true, job.life.isWorking { claimed(job, from: before?.life.phase, moment) }
        if let queue = plan.entersReady { ready(job, on: queue, claimsBefore: hint?.claimsBefore, moment) }
        reachHalf(job, moment)
        if job.life.state.isFinal { notes[job.id] = nil }
    }

    /// Begins to take notes of a job. Without its first phase they say nothing about its end, but
    /// its stages count.
    private mutating func note(_ job: JobFacts, _ isSpedUp: Bool?) {
        guard notes[job.id] == nil, let isSpedUp, notes.count < notesLimit else { return }
        notes[job.id] = Notes(isSpedUp: isSpedUp)
    }

    /// A worker gives back the stage of the job, with or without success.
    private mutating func leave(_ before: JobFacts, _ after: JobFacts, _ moment: ClockReading) {
        guard before.life.isWorking, !after.life.isWorking, let note = notes[before.id] else { return }
        let isSuccess = after.life.phase == .succeeded || after.life.phase == .waiting
        guard isSuccess else {
            notes[before.id]?.predictions.spoil()
            return
        }
        let what = StageRun.Circumstances(
            attempt: before.life.attempt, isResumed: note.isResumed, isSpedUp: note.isSpedUp)
        if let started = before.life.stageStartedAt,
            let run = StageRun(
                of: before.stage, in: before.pipeline.name, seconds: moment.seconds(since: started), wait: note.wait,
                what)
        {
            unwritten.formUnion(history.add(run))
        }
        if after.life.phase == .succeeded, !note.isSpedUp {
            unwritten.formUnion(
                history.add(note.predictions, of: after.pipeline.name, endedAt: moment.steady))
        }
    }

    private mutating func count(_ plan: LedgerPlan, _ before: JobFacts?) {
        if let queue = plan.leavesReady { queues[queue, default: Counters()].waiting -= 1 }
        if let queue = plan.entersReady { queues[queue, default: Counters()].waiting += 1 }
        let (was, isNow) = (before?.life.isWorking == true, plan.after.life.isWorking)
        if was, !isNow, let before { queues[before.stage.queue, default: Counters()].running -= 1 }
        if isNow, !was {
            queues[plan.after.stage.queue, default: Counters()].running += 1
            queues[plan.after.stage.queue, default: Counters()].claims += 1
        }
    }

    private mutating func ready(
        _ job: JobFacts, on queue: QueueName, claimsBefore: Int?, _ moment: ClockReading
    ) {
        guard notes[job.id] != nil else { return }
        let counters = queues[queue] ?? Counters()
        // The stage itself is counted already.
        let claimsBefore = claimsBefore ?? max(0, counters.waiting - 1)
        let load = load(queue)
        let turns = load.turns(claimsBefore: claimsBefore)
        notes[job.id]?.ready = Ready(
            turns: turns, claims: counters.claims + load.free, pauses: counters.pauses)
        if case .queued = job.life.phase {
            predict(.queued, job, .ready(claimsBefore: claimsBefore, isFirst: true), moment)
        }
    }

    private mutating func claimed(_ job: JobFacts, from phase: JobLife.Phase?, _ moment: ClockReading) {
        guard let note = notes[job.id] else { return }
        notes[job.id]?.wait = nil
        notes[job.id]?.isResumed = false
        switch phase {
        case .queued, .waiting:
            let counters = queues[job.stage.queue] ?? Counters()
            guard let ready = note.ready, ready.pauses == counters.pauses else {
                notes[job.id]?.predictions.spoil()
                break
            }
            // The claims before this one, and its own; 0 if a worker was free.
            let turns = ready.turns == 0 ? 0 : max(1, counters.claims - ready.claims)
            // The counters do not say which stages go before a later one, whose job is older.
            guard job.life.stageIndex == 0 else { break }
            notes[job.id]?.wait = StageRun.Wait(expectedTurns: ready.turns, turns: turns)
        case .suspended:
            notes[job.id]?.isResumed = true
            notes[job.id]?.predictions.spoil()
        default: notes[job.id]?.predictions.spoil()
        }
        notes[job.id]?.ready = nil
        if phase == .queued { predict(.running, job, .executing(elapsed: 0), moment) }
    }

    private mutating func reachHalf(_ job: JobFacts, _ moment: ClockReading) {
        guard job.life.progress.value >= 0.5, !job.life.state.isFinal, notes[job.id]?.isPastHalf == false else {
            return
        }
        notes[job.id]?.isPastHalf = true
        let standing: JobOutlook.Standing
        if job.life.isWorking {
            standing = .executing(elapsed: job.life.stageStartedAt.map { moment.seconds(since: $0) } ?? 0)
        } else {
            let waiting = queues[job.stage.queue]?.waiting ?? 0
            standing = .ready(claimsBefore: max(0, waiting - 1), isFirst: false)
        }
        predict(.runningSecondHalf, job, standing, moment)
    }

    private mutating func predict(
        _ phase: EstimatePhase, _ job: JobFacts, _ standing: JobOutlook.Standing, _ moment: ClockReading
    ) {
        guard let note = notes[job.id], !note.isSpedUp, !note.predictions.isSpoiled else { return }
        let outlook = JobOutlook(
            pipeline: job.pipeline, stageIndex: job.life.stageIndex, standing: standing,
            progress: job.life.progress.value)
        var needed: [QueueName: QueueLoad] = [:]
        for stage in job.pipeline.stages[job.life.stageIndex...] { needed[stage.queue] = load(stage.queue) }
        let forecast = Estimator(history, queues: needed).forecast(outlook)
        notes[job.id]?.predictions.begin(phase, forecast, at: moment.steady)
    }
}

extension JobLife {
    /// Whether a worker has the current stage.
    fileprivate var isWorking: Bool { phase == .executing || phase == .canceling }
}
