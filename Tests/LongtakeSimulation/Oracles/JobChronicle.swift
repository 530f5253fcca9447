import LongtakeCore

/// One job's durable event log, and the rules for its next event (O2, O3 and O5). It repeats the
/// rules of the state machine without using it.
struct JobChronicle {
    private(set) var entries: [LogBook.Entry] = []
    private(set) var end: EventType?
    /// The claim that has the current stage.
    private(set) var owner: (claim: ClaimID, boot: Int)?
    /// The number of claims of the current stage.
    private var claims: Int64 = 0
    /// The stages of the submission.
    private var stages: [StageName] = []
    private var succeeded: Set<StageName> = []
    /// The attempt of the current stage; 0 before its first start.
    private(set) var attempt = 0
    /// Whether the job has not ended, and no worker has ever claimed it.
    var isQueued: Bool { attempt == 0 && succeeded.isEmpty && end == nil }
    /// The delay of the next attempt, while the stage waits for it.
    private(set) var wait: Duration?
    /// The attempt number of the current stage's next start.
    private var nextAttempt = 1
    private var progress = Progress.none
    /// The progress of the current stage.
    private(set) var stageProgress = 0.0
    private var isInterrupted = false
    private var cancelRequested: Moment?
    /// The last artifact of each name.
    private(set) var artifacts: [ArtifactName: (hash: ContentHash, stage: StageName)] = [:]
    /// The claims that have registered each content. No two registrations have the same content.
    private(set) var authors: [ContentHash: ClaimID] = [:]
    /// The stage whose result the last event tells of. The end of this stage must follow.
    private var result: StageName?

    mutating func append(
        _ entry: LogBook.Entry, _ made: JobEvent, by author: ClaimID?, in boot: Int, at moment: Moment,
        _ verdict: Verdict
    ) {
        let event = entry.event
        let name = "\(event.job) #\(event.sequence) \(event.type.rawValue)"
        verdict.check(event.sequence.rawValue == Int64(entries.count) + 1, .log, "\(name) leaves a gap")
        verdict.check(
            (event.type == .jobQueued) == entries.isEmpty, .log, "\(name): only the first event is job.queued")
        verdict.check(end == nil, .finalEvent, "\(name) follows a final event")
        verdict.check(
            entries.last.map { $0.event.at <= event.at } ?? true, .log,
            "\(name) has an earlier time than the event before it")
        verdict.check(made.progress >= progress, .log, "\(name): the progress of the job decreases")
        verdict.check(
            (made.progress == .complete) == (event.type == .jobSucceeded), .log,
            "\(name): the progress of the job is \(made.progress.value)")
        verdict.check(
            cancelRequested == nil || event.type == .jobCanceled, .finalEvent, "\(name) follows a request to cancel")
        progress = made.progress
        entries.append(entry)
        if event.type.isFinal { end = event.type }
        func require(_ isKept: Bool, _ text: String) { verdict.check(isKept, .stages, "\(name): \(text)") }

        let result = result
        self.result = nil
        require(
            result == nil || [.artifactCreated, .stageSucceeded].contains(event.type),
            "it follows a result, but the stage has not succeeded")
        switch made.change {
        case .queued(_, let stages, _):
            self.stages = stages
        case .started:
            break
        case .cancelRequested:
            cancelRequested = moment
        case .stageStarted(let place, let attempt, _):
            require(owner == nil, "the stage already has an owner")
            require(place.index == succeeded.count + 1, "it is not the next stage")
            require(!succeeded.contains(place.stage), "the stage has already succeeded")
            require(attempt == nextAttempt, "it is attempt \(attempt) instead of \(nextAttempt)")
            self.attempt = attempt
            take(event, in: boot)
            stageProgress = 0
        case .resumed(let reason, let stage, let progress):
            require(!succeeded.contains(stage), "the stage has already succeeded")
            if reason == .crash {
                require(owner.map { $0.boot < boot } ?? false, "no earlier boot owned the stage")
            } else {
                require(isInterrupted && owner == nil, "the stage was not interrupted")
            }
            require(progress.value == stageProgress, "it continues from \(progress.value), not from \(stageProgress)")
            take(event, in: boot)
        case .stageProgress(_, let progress, _):
            requireOwner(author, boot, require)
            require(progress.value >= stageProgress, "the progress of the stage decreases")
            stageProgress = progress.value
        case .artifactCreated(let artifact, let stage):
            requireOwner(author, boot, require)
            add(artifact, of: stage, by: author, require)
        case .stageSucceeded(let place, _):
            requireOwner(author, boot, require)
            require(result == place.stage, "the result of the stage is missing")
            succeeded.insert(place.stage)
            (nextAttempt, attempt, stageProgress) = (1, 0, 0)
            claims = 0
            owner = nil
        case .stageRetrying(_, let attempt, let delay, _):
            requireOwner(author, boot, require)
            nextAttempt += 1
            require(attempt == nextAttempt && attempt <= Limits.attempts, "the next attempt is \(attempt)")
            (wait, stageProgress) = (delay, 0)
            owner = nil
        case .interrupted:
            requireOwner(author, boot, require)
            isInterrupted = true
            owner = nil
        case .succeeded(let output, _):
            require(owner == nil && succeeded.count == stages.count, "a stage has not succeeded")
            require(output["from"]?.text == stages.last?.description, "the output is \(output)")
        case .failed:
            requireOwner(author, boot, require)
        case .canceled:
            if let owner, owner.boot == boot { requireOwner(author, boot, require) }
            let wait = cancelRequested.flatMap(moment.since) ?? .zero
            verdict.check(wait < .seconds(1), .progress, "\(name): the stage stopped only \(wait) after the cancel")
        }
    }

    private mutating func add(
        _ artifact: Artifact, of stage: StageName, by author: ClaimID?, _ require: (Bool, String) -> Void
    ) {
        require(stages.dropFirst(succeeded.count).first == stage, "it is not an artifact of the current stage")
        require(artifacts[artifact.name].map { $0.stage == stage } ?? true, "it replaces one of another stage")
        require(authors[artifact.content.hash] == nil, "the same registration is written twice")
        artifacts[artifact.name] = (artifact.content.hash, stage)
        authors[artifact.content.hash] = author
        if artifact.role == .result { result = stage }
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
        guard let owner else { return require(false, "the stage has no owner") }
        require(owner.boot == boot, "the owner of the stage ended with boot \(owner.boot)")
        require(author == owner.claim, "its author does not own the stage")
    }
}
