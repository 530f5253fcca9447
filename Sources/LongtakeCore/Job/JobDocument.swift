/// A job as clients see it in JSON: every member always there, `null` where there is no value.
public struct JobDocument: Encodable, Sendable {
    public let job: Job
    /// Lists leave `queue_position` out, since counting it costs a query for each job.
    public let includesQueuePosition: Bool
    /// Goes into the link to the events, so that whoever is given it may open it; `nil` for none.
    public let ticket: String?

    public init(_ job: Job, includesQueuePosition: Bool = true, ticket: String? = nil) {
        self.job = job
        self.includesQueuePosition = includesQueuePosition
        self.ticket = ticket
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
        try container.encode(job.pipeline.description, forKey: .pipeline)
        try container.encode(job.state.rawValue, forKey: .state)
        try container.encode(job.progress.value, forKey: .progress)
        try container.encode(orNull: job.stage?.description, forKey: .stage)
        var stages = container.nestedUnkeyedContainer(forKey: .stages)
        for stage in job.stages {
            var nested = stages.nestedContainer(keyedBy: StageKey.self)
            try encode(stage, into: &nested)
        }
        if includesQueuePosition {
            try container.encode(orNull: job.queuePosition, forKey: .queuePosition)
        }
        try container.encode(job.input, forKey: .input)
        try container.encode(orNull: job.output, forKey: .output)
        try container.encode(orNull: job.error, forKey: .error)
        try container.encode(job.priority.rawValue, forKey: .priority)
        var metadata = container.nestedContainer(keyedBy: MemberName.self, forKey: .metadata)
        for (name, text) in job.metadata { try metadata.encode(text, forKey: MemberName(stringValue: name)) }
        try container.encode(job.cancelRequested, forKey: .cancelRequested)
        try container.encode(orNull: job.retryOf?.description, forKey: .retryOf)
        try container.encode(job.createdAt.description, forKey: .createdAt)
        try container.encode(orNull: job.startedAt?.description, forKey: .startedAt)
        try container.encode(orNull: job.finishedAt?.description, forKey: .finishedAt)
        try container.encode(job.lastEvent.description, forKey: .lastEventID)
        let path = "/v1/jobs/\(job.id)"
        var links = container.nestedContainer(keyedBy: LinkKey.self, forKey: .links)
        try links.encode(path, forKey: .this)
        try links.encode("\(path)/events" + (ticket.map { "?ticket=\($0)" } ?? ""), forKey: .events)
        try links.encode("\(path)/cancel", forKey: .cancel)
    }

    private enum StageKey: String, CodingKey {
        case name, queue, state, progress, attempt
        case startedAt = "started_at"
        case finishedAt = "finished_at"
    }

    private func encode(_ stage: Job.Stage, into container: inout KeyedEncodingContainer<StageKey>) throws {
        try container.encode(stage.name.description, forKey: .name)
        try container.encode(stage.queue.description, forKey: .queue)
        try container.encode(stage.state.rawValue, forKey: .state)
        try container.encode(stage.progress.value, forKey: .progress)
        try container.encode(stage.attempt, forKey: .attempt)
        try container.encode(orNull: stage.startedAt?.description, forKey: .startedAt)
        try container.encode(orNull: stage.finishedAt?.description, forKey: .finishedAt)
    }

    private enum LinkKey: String, CodingKey {
        case this = "self"
        case events, cancel
    }
}

// Texts and numbers into nested containers, and not values of types of their own: for each of those the encoder asks its type several
// questions first, and for this document that took longer than all the rest (docs/benchmarks.md).
extension KeyedEncodingContainer {
    fileprivate mutating func encode(orNull text: String?, forKey key: Key) throws {
        guard let text else { return try encodeNil(forKey: key) }
        try encode(text, forKey: key)
    }

    fileprivate mutating func encode(orNull number: Int?, forKey key: Key) throws {
        guard let number else { return try encodeNil(forKey: key) }
        try encode(number, forKey: key)
    }

    fileprivate mutating func encode(orNull value: (some Encodable)?, forKey key: Key) throws {
        guard let value else { return try encodeNil(forKey: key) }
        try encode(value, forKey: key)
    }
}
