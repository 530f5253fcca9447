import LongtakeCore

/// One job of ``MemoryLedger``: the facts for its plans, its event log, and its stages as clients
/// see them.
struct MemoryRecord: Sendable {
    let submission: Submission
    /// 1 for the job that was submitted first.
    let number: Int
    let createdAt: Timestamp
    private(set) var facts: JobFacts
    private(set) var log: [CommittedEvent] = []
    private(set) var checkpoint: JSONValue?
    private(set) var outputs: [StageName: JSONValue] = [:]
    private(set) var artifacts: [ArtifactName: MemoryArtifact] = [:]
    /// The content of the references of the submission.
    private(set) var inputFiles: [ResolvedReference] = []
    /// When the job ended, on the steady clock.
    private(set) var endedAt: Timestamp?
    private var stages: [Job.Stage]
    private var output: JSONValue?
    private var error: JobError?
    private var finishedAt: Timestamp?

    init(_ submission: Submission, number: Int, facts: JobFacts, createdAt: Timestamp) {
        self.submission = submission
        self.number = number
        self.createdAt = createdAt
        self.facts = facts
        stages = submission.pipeline.stages.map {
            Job.Stage(
                name: $0.name, queue: $0.queue, state: .pending, progress: .none, attempt: 0, startedAt: nil,
                finishedAt: nil)
        }
    }

    /// Whether this stage is claimed before another stage of the same tenant and queue.
    func comesBefore(_ other: MemoryRecord) -> Bool {
        (-submission.priority.rawValue, number) < (-other.submission.priority.rawValue, other.number)
    }

    /// Executes a plan for this job, and returns its events.
    mutating func execute(_ plan: LedgerPlan, epoch: Epoch, position: inout Int64) -> [CommittedEvent] {
        var committed: [CommittedEvent] = []
        for event in plan.artifactEvents + Array(plan.events) {
            position += 1
            committed.append(
                CommittedEvent(
                    id: EventID(
                        epoch: epoch, sequence: EventSequence(rawValue: Int64(log.count + committed.count + 1))),
                    position: EventPosition(rawValue: position), job: facts.id, tenant: facts.tenant,
                    pipeline: facts.pipeline.name, type: event.event.type, at: plan.at, payload: event.payload))
        }
        log += committed
        let before = facts
        facts = plan.after
        if plan.dropsCheckpoint || plan.rows == .nextStage { checkpoint = nil }
        if let data = plan.checkpoint { checkpoint = data }
        if let output = plan.stageOutput { outputs[before.stage.name] = output }
        if plan.rows == .insert { inputFiles = plan.inputFiles }
        if let end = plan.finishedAt { endedAt = end }
        var sequence = plan.firstArtifactEvent.rawValue
        for artifact in plan.artifacts {
            let record = ArtifactRecord(artifact: artifact, stage: before.stage.name, createdAt: plan.at)
            artifacts[artifact.name] = MemoryArtifact(record: record, stage: plan.artifactStage, sequence: sequence)
            sequence += 1
        }
        show(plan, before: before)
        return committed
    }

    private mutating func show(_ plan: LedgerPlan, before: JobFacts) {
        let life = facts.life
        if plan.rows == .nextStage {
            stages[before.life.stageIndex].state = .succeeded
            stages[before.life.stageIndex].progress = .complete
            stages[before.life.stageIndex].finishedAt = plan.at
        }
        stages[life.stageIndex].state = life.stageState
        stages[life.stageIndex].progress = life.stageProgress
        stages[life.stageIndex].attempt = life.attempt
        stages[life.stageIndex].startedAt = life.stageStartedAt?.time
        switch plan.ending {
        case .succeeded(let output): self.output = output
        case .failed(let error): self.error = error
        case .canceled, nil: break
        }
        if plan.finishedAt != nil {
            stages[life.stageIndex].finishedAt = plan.at
            finishedAt = plan.at
        }
    }

    /// The claim that the last executed plan has made.
    func claim(for holder: HolderID, checkpoint: JSONValue?) -> Claim {
        Claim(
            facts, holder: holder, checkpointData: checkpoint, input: submission.input, outputs: outputs,
            files: Dictionary(uniqueKeysWithValues: inputFiles.map { ($0.reference.field, $0.file) }),
            artifacts: artifactRecords, simulation: submission.simulation, metadata: submission.metadata)
    }

    /// Oldest first.
    var artifactRecords: [ArtifactRecord] {
        artifacts.values.sorted { $0.sequence < $1.sequence }.map(\.record)
    }

    /// The hashes of all content that the job uses.
    var content: [Content] {
        artifacts.values.map(\.record.artifact.content) + inputFiles.map(\.file.content)
    }

    mutating func removeArtifact(_ name: ArtifactName) { artifacts[name] = nil }

    mutating func renewEpoch(_ epoch: Epoch) { log = log.map { $0.renamed(to: epoch) } }

    /// The job as clients see it, without its queue position.
    func job(epoch: Epoch) -> Job {
        let life = facts.life
        return Job(
            id: submission.id, tenant: submission.tenant, pipeline: submission.pipeline.name, state: life.state,
            progress: life.progress, stage: life.state == .running ? facts.stage.name : nil, stages: stages,
            queuePosition: nil,
            input: submission.input, output: output, error: error, priority: submission.priority,
            metadata: submission.metadata, simulation: submission.simulation, cancelRequested: life.cancelRequested,
            retryOf: submission.retryOf, createdAt: createdAt,
            startedAt: life.startedAt?.time, finishedAt: finishedAt,
            lastEvent: EventID(epoch: epoch, sequence: facts.head))
    }
}

/// An artifact of ``MemoryRecord``.
struct MemoryArtifact: Sendable {
    let record: ArtifactRecord
    /// The index of the stage that made it.
    let stage: Int
    /// The number of its event.
    let sequence: Int64
}

extension CommittedEvent {
    /// The same event with an id of another epoch.
    func renamed(to epoch: Epoch) -> CommittedEvent {
        CommittedEvent(
            id: EventID(epoch: epoch, sequence: sequence), position: position, job: job, tenant: tenant,
            pipeline: pipeline, type: type, at: at, payload: payload)
    }
}
