import LongtakeCore

/// A submission with all that it will write except the time, worked out by its caller: the writer has one thread for everybody.
struct EncodedSubmission: Sendable {
    let submission: Submission
    let definition: String
    let input: String
    let metadata: String
    let simulation: String?
    /// What a second submission with the same key must repeat; `nil` without a key.
    let fingerprint: String?
    let life: JobLife
    let firstEvent: EventType
    let payload: String

    init(_ submission: Submission, texts: PipelineTexts) throws {
        self.submission = submission
        definition = try texts.text(of: submission.pipeline)
        input = try JSONText.encode(submission.input)
        metadata = submission.metadata.isEmpty ? "{}" : try JSONText.encode(submission.metadata)
        simulation = try submission.simulation.map { try JSONText.encode($0) }
        fingerprint = submission.idempotencyKey == nil ? nil : try submission.fingerprint()
        let decision = JobStateMachine(pipeline: submission.pipeline).submit(priority: submission.priority)
        let event = decision.events[0]
        life = decision.life
        firstEvent = event.type
        payload = event.payload()
    }

    /// The job as a reader finds it right after the commit.
    func job(createdAt time: Timestamp, queuePosition: Int, lastEvent: EventID) -> Job {
        var stages = submission.pipeline.stages.map {
            Job.Stage(
                name: $0.name, queue: $0.queue, state: .pending, progress: .none, attempt: 0, startedAt: nil,
                finishedAt: nil)
        }
        stages[life.stageIndex].state = life.stageState
        return Job(
            id: submission.id, tenant: submission.tenant, pipeline: submission.pipeline.name, state: life.state,
            progress: life.progress, stage: nil, stages: stages, queuePosition: queuePosition,
            input: submission.input, output: nil, error: nil, priority: submission.priority,
            metadata: submission.metadata, simulation: submission.simulation, cancelRequested: false,
            retryOf: submission.retryOf, createdAt: time, startedAt: nil,
            finishedAt: nil, lastEvent: lastEvent)
    }
}
