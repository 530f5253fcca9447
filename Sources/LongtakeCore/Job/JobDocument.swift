/// A job as clients see it in JSON: every member always there, `null` where there is no value.
public struct JobDocument: Encodable, Sendable {
    public let job: Job
    /// Lists leave `queue_position` out, since counting it costs a query for each job.
    public let includesQueuePosition: Bool

    public init(_ job: Job, includesQueuePosition: Bool = true) {
        self.job = job
        self.includesQueuePosition = includesQueuePosition
    }

    private enum Key: String, CodingKey {
        case id, pipeline, state, progress, stage, stages, input, output, error, priority, metadata, links
        case queuePosition = "queue_position"
        case cancelRequested = "cancel_requested"
        case retryOf = "retry_of"
        case createdAt = "created_at"
        case startedAt = "started_at"
        case finishedAt = "finished_at"
        case lastEventID = "last_event_id"
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(job.id.description, forKey: .id)
        try container.encode(job.pipeline, forKey: .pipeline)
        try container.encode(job.state, forKey: .state)
        try container.encode(job.progress.value, forKey: .progress)
        try container.encode(job.stage, forKey: .stage)
        try container.encode(job.stages.map(StageDocument.init), forKey: .stages)
        if includesQueuePosition {
            try container.encode(job.queuePosition, forKey: .queuePosition)
        }
        try container.encode(job.input, forKey: .input)
        try container.encode(job.output, forKey: .output)
        try container.encode(job.error, forKey: .error)
        try container.encode(job.priority.rawValue, forKey: .priority)
        try container.encode(job.metadata, forKey: .metadata)
        try container.encode(job.cancelRequested, forKey: .cancelRequested)
        try container.encode(job.retryOf?.description, forKey: .retryOf)
        try container.encode(job.createdAt, forKey: .createdAt)
        try container.encode(job.startedAt, forKey: .startedAt)
        try container.encode(job.finishedAt, forKey: .finishedAt)
        try container.encode(job.lastEvent.description, forKey: .lastEventID)
        let path = "/v1/jobs/\(job.id)"
        try container.encode(["self": path, "events": "\(path)/events", "cancel": "\(path)/cancel"], forKey: .links)
    }
}

private struct StageDocument: Encodable {
    let stage: Job.Stage

    private enum Key: String, CodingKey {
        case name, queue, state, progress, attempt
        case startedAt = "started_at"
        case finishedAt = "finished_at"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(stage.name, forKey: .name)
        try container.encode(stage.queue, forKey: .queue)
        try container.encode(stage.state, forKey: .state)
        try container.encode(stage.progress.value, forKey: .progress)
        try container.encode(stage.attempt, forKey: .attempt)
        try container.encode(stage.startedAt, forKey: .startedAt)
        try container.encode(stage.finishedAt, forKey: .finishedAt)
    }
}
