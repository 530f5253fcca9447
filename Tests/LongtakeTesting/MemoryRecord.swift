import LongtakeCore

/// One job of ``MemoryLedger``: its life, its log and what clients see of its stages.
struct MemoryRecord: Sendable {
    let submission: Submission
    /// 1 for the job that was submitted first.
    let number: Int
    let createdAt: Timestamp
    private(set) var life: JobLife
    private(set) var log: [CommittedEvent] = []
    private(set) var token: ClaimToken?
    /// When the current stage's next attempt may begin, on the steady clock.
    private(set) var dueAt: Timestamp?
    private var stages: [Job.Stage]
    private var output: JSONValue?
    private var error: JobError?
    private var finishedAt: Timestamp?

    init(submission: Submission, number: Int, life: JobLife, createdAt: Timestamp) {
        self.submission = submission
        self.number = number
        self.createdAt = createdAt
        self.life = life
        stages = submission.pipeline.stages.map {
            Job.Stage(
                name: $0.name, queue: $0.queue, state: .pending, progress: .none, attempt: 0, startedAt: nil,
                finishedAt: nil)
        }
    }

    var machine: JobStateMachine { JobStateMachine(pipeline: submission.pipeline) }
    /// When its log has come to: none of its later events is told as earlier.
    var lastAt: Timestamp { log.last?.at ?? createdAt }
    var stage: Stage { submission.pipeline.stages[life.stageIndex] }

    /// Among the stages of one tenant on one queue.
    func comesBefore(_ other: MemoryRecord) -> Bool {
        (-submission.priority.rawValue, number) < (-other.submission.priority.rawValue, other.number)
    }

    mutating func append(_ event: JobEvent, epoch: Epoch, position: Int64, at time: Timestamp) throws -> CommittedEvent
    {
        let id = EventID(epoch: epoch, sequence: EventSequence(rawValue: Int64(log.count + 1)))
        let committed = CommittedEvent(
            id: id, position: EventPosition(rawValue: position), job: submission.id, tenant: submission.tenant,
            pipeline: submission.pipeline.name, type: event.type, at: time,
            payload: event.payload())
        log.append(committed)
        switch event.change {
        case .succeeded(let output, _): self.output = output
        case .failed(let error): self.error = error
        default: break
        }
        return committed
    }

    mutating func move(to after: JobLife, at time: Timestamp, dueAt: Timestamp?) {
        let wasFinal = life.state.isFinal
        if after.stageIndex > life.stageIndex || (after.phase == .succeeded && !wasFinal) {
            stages[life.stageIndex].state = .succeeded
            stages[life.stageIndex].progress = .complete
            stages[life.stageIndex].finishedAt = time
        }
        life = after
        self.dueAt = dueAt
        if after.stageState != .running { token = nil }
        if after.phase != .succeeded {
            stages[after.stageIndex].state = after.stageState
            stages[after.stageIndex].progress = after.stageProgress
            stages[after.stageIndex].attempt = after.attempt
            stages[after.stageIndex].startedAt = after.stageStartedAt?.time
        }
        if after.state.isFinal, !wasFinal {
            stages[after.stageIndex].finishedAt = time
            finishedAt = time
        }
    }

    /// Makes the stage claimable where its wait is over.
    mutating func wake(at time: Timestamp) {
        if let due = dueAt, due <= time || due > time.advanced(by: Limits.retryWaitMost) { dueAt = nil }
    }

    /// Remembers the token of the claim that was just written.
    mutating func takeClaim(position: EventPosition) -> Claim {
        let token = ClaimToken(position)
        self.token = token
        return Claim(
            token: token, job: submission.id, stage: stage, stageIndex: life.stageIndex, attempt: life.attempt,
            checkpoint: life.stageProgress, input: submission.input, simulation: submission.simulation)
    }

    /// The job as clients see it, without its queue position.
    func job(epoch: Epoch) -> Job {
        Job(
            id: submission.id, tenant: submission.tenant, pipeline: submission.pipeline.name, state: life.state,
            progress: life.progress, stage: life.state == .running ? stage.name : nil, stages: stages,
            queuePosition: nil,
            input: submission.input, output: output, error: error, priority: submission.priority,
            metadata: submission.metadata, simulation: submission.simulation, cancelRequested: life.cancelRequested,
            retryOf: submission.retryOf, createdAt: createdAt,
            startedAt: life.startedAt?.time, finishedAt: finishedAt,
            lastEvent: EventID(epoch: epoch, sequence: EventSequence(rawValue: Int64(log.count))))
    }
}
