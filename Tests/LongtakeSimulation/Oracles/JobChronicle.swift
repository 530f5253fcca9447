import LongtakeCore

/// One job's durable event log, and the events that may follow: the rules of O2, O3 and O5, written
/// again without the state machine.
struct JobChronicle {
    private(set) var entries: [LogBook.Entry] = []
    private(set) var end: EventType?
    /// The claim that has the current stage.
    private(set) var owner: (claim: ClaimID, boot: Int)?
    /// The number of claims of the current stage.
    private var claims: Int64 = 0
    /// As the job was submitted.
    private var stages: [StageName] = []
    private var succeeded: Set<StageName> = []
    /// Of the current stage; 0 before its first start.
    private(set) var attempt = 0
    /// Whether no worker has ever claimed the job, and it goes on.
    var isQueued: Bool { attempt == 0 && succeeded.isEmpty && end == nil }
    /// How long the wait for the next attempt takes.
    private(set) var wait: Duration?
    /// The attempt number of the current stage's next start.
    private var nextAttempt = 1
    private var progress = Progress.none
    /// Of the current stage.
    private(set) var stageProgress = 0.0
    private var isInterrupted = false
    private var cancelRequested: Moment?

    mutating func append(
        _ entry: LogBook.Entry, _ made: JobEvent, by author: ClaimID?, in boot: Int, at moment: Moment,
        _ verdict: Verdict
    ) {
        let event = entry.event
        let name = "\(event.job) #\(event.sequence) \(event.type.rawValue)"
        verdict.check(event.sequence.rawValue == Int64(entries.count) + 1, .log, "\(name) leaves a gap")
        verdict.check((event.type == .jobQueued) == entries.isEmpty, .log, "\(name) is not where a log begins")
        verdict.check(end == nil, .oneEnd, "\(name) follows a final event")
        verdict.check(entries.last.map { $0.event.at <= event.at } ?? true, .log, "\(name) was before the event before")
        verdict.check(made.progress >= progress, .log, "\(name): the progress of the job goes back")
        verdict.check(
            (made.progress == .complete) == (event.type == .jobSucceeded), .log,
            "\(name) with progress \(made.progress.value)")
        verdict.check(
            cancelRequested == nil || event.type == .jobCanceled, .oneEnd, "\(name) follows a request to cancel")
        progress = made.progress
        entries.append(entry)
        if event.type.isFinal { end = event.type }
        func require(_ isKept: Bool, _ text: String) { verdict.check(isKept, .stages, "\(name): \(text)") }

        switch made.change {
        case .queued(_, let stages, _):
            self.stages = stages
        case .started:
            break
        case .cancelRequested:
            cancelRequested = moment
        case .stageStarted(let place, let attempt, _):
            require(owner == nil, "somebody has the stage already")
            require(place.index == succeeded.count + 1, "not the stage behind those that succeeded")
            require(!succeeded.contains(place.stage), "the stage has succeeded")
            require(attempt == nextAttempt, "attempt \(attempt) in place of \(nextAttempt)")
            self.attempt = attempt
            take(event, in: boot)
            stageProgress = 0
        case .resumed(let reason, let stage, let progress):
            require(!succeeded.contains(stage), "the stage has succeeded")
            if reason == .crash {
                require(owner.map { $0.boot < boot } ?? false, "nobody had it who is dead")
            } else {
                require(isInterrupted && owner == nil, "it was not put back")
            }
            require(progress.value == stageProgress, "it goes on from \(progress.value), not from \(stageProgress)")
            take(event, in: boot)
        case .stageProgress(_, let progress, _):
            requireOwner(author, boot, require)
            require(progress.value >= stageProgress, "progress goes back")
            stageProgress = progress.value
        case .stageSucceeded(let place, _):
            requireOwner(author, boot, require)
            succeeded.insert(place.stage)
            (nextAttempt, attempt, stageProgress) = (1, 0, 0)
            claims = 0
            owner = nil
        case .stageRetrying(_, let attempt, let delay, _):
            requireOwner(author, boot, require)
            nextAttempt += 1
            require(attempt == nextAttempt && attempt <= Limits.attempts, "attempt \(attempt) follows")
            (wait, stageProgress) = (delay, 0)
            owner = nil
        case .interrupted:
            requireOwner(author, boot, require)
            isInterrupted = true
            owner = nil
        case .succeeded(let output, _):
            require(owner == nil && succeeded.count == stages.count, "a stage is not over")
            require(output["from"]?.text == stages.last?.description, "it has the output \(output)")
        case .failed:
            requireOwner(author, boot, require)
        case .canceled:
            if let owner, owner.boot == boot { requireOwner(author, boot, require) }
            let wait = cancelRequested.flatMap(moment.since) ?? .zero
            verdict.check(wait < .seconds(1), .goesOn, "\(name): the stage was given up only after \(wait)")
        }
    }

    private mutating func take(_ event: CommittedEvent, in boot: Int) {
        claims += 1
        owner = (
            ClaimID(job: event.job, stageIndex: succeeded.count, fence: Fence(rawValue: claims)), boot
        )
        isInterrupted = false
        wait = nil
    }

    private func requireOwner(_ author: ClaimID?, _ boot: Int, _ require: (Bool, String) -> Void) {
        guard let owner else { return require(false, "nobody has the stage") }
        require(owner.boot == boot, "its owner died with boot \(owner.boot)")
        require(author == owner.claim, "written by one who does not own the stage")
    }
}
