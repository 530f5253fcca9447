public import LongtakeCore

/// A job in JSON. Every member is always present, and is `null` if it has no value. docs/api.md
/// shows their order.
public struct JobDocument: Hashable, Sendable {
    public var id: JobID
    public var state: JobState
    public var progress: Double
    @Nullable public var stage: StageName?
    public var pipeline: PipelineName
    public var stages: [StageDocument]
    /// Lists leave this member out, because counting costs one query per job.
    public var queuePosition: Nullable<Int>?
    /// The time left and the wait for a worker. Lists leave both members out, because an estimate
    /// costs queries too.
    public var etaSeconds: Nullable<JobEstimate.Percentiles>?
    public var queueWaitSeconds: Nullable<JobEstimate.Percentiles>?
    /// What the stage waits for, other than a free worker. Lists leave this member out.
    public var waitingFor: Nullable<WaitingReason>?
    public var input: JSONValue
    @Nullable public var output: JSONValue?
    @Nullable public var error: JobError?
    /// Oldest first. Lists leave this member out, because jobs may have many artifacts.
    public var artifacts: [JobArtifactDocument]?
    public var priority: Int
    public var metadata: [String: String]
    public var cancelRequested: Bool
    @Nullable public var retryOf: JobID?
    public var createdAt: Timestamp
    @Nullable public var startedAt: Timestamp?
    @Nullable public var finishedAt: Timestamp?
    public var lastEventID: EventID
    public var links: JobLinks

    /// - Parameters:
    ///   - includesQueuePosition: whether the document has the members that lists leave out:
    ///     `queue_position`, `eta_seconds`, `queue_wait_seconds`, `waiting_for` and `artifacts`.
    ///   - waitingFor: what the stage waits for, other than a free worker (``DiskGate``).
    ///   - ticket: becomes part of the link to the events; `nil` for none.
    public init(
        _ job: Job, includesQueuePosition: Bool = true, waitingFor: WaitingReason? = nil, ticket: String? = nil,
        links: APILinks
    ) {
        id = job.id
        state = job.state
        progress = job.progress.value
        _stage = Nullable(wrappedValue: job.stage)
        pipeline = job.pipeline
        stages = job.stages.map(StageDocument.init)
        queuePosition = includesQueuePosition ? Nullable(wrappedValue: job.queuePosition) : nil
        etaSeconds = includesQueuePosition ? Nullable(wrappedValue: job.estimate?.eta.rounded) : nil
        queueWaitSeconds = includesQueuePosition ? Nullable(wrappedValue: job.estimate?.queueWait.rounded) : nil
        self.waitingFor = includesQueuePosition ? Nullable(wrappedValue: waitingFor) : nil
        input = job.input
        _output = Nullable(wrappedValue: job.output)
        _error = Nullable(wrappedValue: job.error)
        artifacts =
            includesQueuePosition
            ? job.artifacts.map { JobArtifactDocument($0.artifact, of: job.id, links: links) } : nil
        priority = job.priority.rawValue
        metadata = job.metadata
        cancelRequested = job.cancelRequested
        _retryOf = Nullable(wrappedValue: job.retryOf)
        createdAt = job.createdAt
        _startedAt = Nullable(wrappedValue: job.startedAt)
        _finishedAt = Nullable(wrappedValue: job.finishedAt)
        lastEventID = job.lastEvent
        self.links = JobLinks(to: job.id, ticket: ticket, links)
    }
}

extension JobDocument: Codable, JSONDocument {
    private enum CodingKeys: String, CodingKey {
        case id, state, progress, stage, pipeline, stages, input, output, error, artifacts, priority, metadata
        case links
        case queuePosition = "queue_position"
        case etaSeconds = "eta_seconds"
        case queueWaitSeconds = "queue_wait_seconds"
        case waitingFor = "waiting_for"
        case cancelRequested = "cancel_requested"
        case retryOf = "retry_of"
        case createdAt = "created_at"
        case startedAt = "started_at"
        case finishedAt = "finished_at"
        case lastEventID = "last_event_id"
    }

    package func write(into json: inout JSONWriter) {
        json.beginObject()
        json.member("id", id.description)
        json.member("state", state.rawValue)
        json.member("progress", progress)
        json.member("stage", orNull: stage?.description)
        json.member("pipeline", pipeline.description)
        json.name("stages")
        json.beginArray()
        for stage in stages { stage.write(into: &json) }
        json.endArray()
        if let queuePosition { json.member("queue_position", orNull: queuePosition.wrappedValue) }
        if let etaSeconds { json.member("eta_seconds", orNull: etaSeconds.wrappedValue) }
        if let queueWaitSeconds { json.member("queue_wait_seconds", orNull: queueWaitSeconds.wrappedValue) }
        if let waitingFor { json.member("waiting_for", orNull: waitingFor.wrappedValue?.rawValue) }
        json.member("input", input)
        json.member("output", output ?? .null)
        json.name("error")
        if let error { error.write(into: &json) } else { json.null() }
        if let artifacts {
            json.name("artifacts")
            json.beginArray()
            for artifact in artifacts { artifact.write(into: &json) }
            json.endArray()
        }
        json.member("priority", Int64(priority))
        json.name("metadata")
        json.beginObject()
        for (name, text) in metadata.sorted(by: { $0.key < $1.key }) {
            json.name(name)
            json.value(text)
        }
        json.endObject()
        json.member("cancel_requested", cancelRequested)
        json.member("retry_of", orNull: retryOf?.description)
        json.member("created_at", createdAt.description)
        json.member("started_at", orNull: startedAt?.description)
        json.member("finished_at", orNull: finishedAt?.description)
        json.member("last_event_id", lastEventID.description)
        json.name("links")
        links.write(into: &json)
        json.endObject()
    }
}

/// A stage of a job in JSON.
public struct StageDocument: Hashable, Sendable {
    public var name: StageName
    public var queue: QueueName
    public var state: StageState
    public var progress: Double
    /// 1 for the first attempt; 0 while the stage is pending.
    public var attempt: Int
    @Nullable public var startedAt: Timestamp?
    @Nullable public var finishedAt: Timestamp?

    public init(_ stage: Job.Stage) {
        name = stage.name
        queue = stage.queue
        state = stage.state
        progress = stage.progress.value
        attempt = stage.attempt
        _startedAt = Nullable(wrappedValue: stage.startedAt)
        _finishedAt = Nullable(wrappedValue: stage.finishedAt)
    }
}

extension StageDocument: Codable, JSONDocument {
    private enum CodingKeys: String, CodingKey {
        case name, queue, state, progress, attempt
        case startedAt = "started_at"
        case finishedAt = "finished_at"
    }

    package func write(into json: inout JSONWriter) {
        json.beginObject()
        json.member("name", name.description)
        json.member("queue", queue.description)
        json.member("state", state.rawValue)
        json.member("progress", progress)
        json.member("attempt", Int64(attempt))
        json.member("started_at", orNull: startedAt?.description)
        json.member("finished_at", orNull: finishedAt?.description)
        json.endObject()
    }
}

/// The links of a job in JSON.
public struct JobLinks: Hashable, Sendable {
    public var job: String
    public var events: String
    public var cancel: String

    init(to id: JobID, ticket: String?, _ links: APILinks) {
        job = links.job(id)
        events = links.events(of: id, ticket: ticket)
        cancel = links.cancel(id)
    }
}

extension JobLinks: Codable, JSONDocument {
    private enum CodingKeys: String, CodingKey {
        case events, cancel
        case job = "self"
    }

    package func write(into json: inout JSONWriter) {
        json.beginObject()
        json.member("self", job)
        json.member("events", events)
        json.member("cancel", cancel)
        json.endObject()
    }
}

/// A page of the list of jobs in JSON.
public struct JobListDocument: Hashable, Sendable {
    public var jobs: [JobDocument]
    /// The `cursor` of the next page; `nil` on the last page.
    @Nullable public var next: String?
    /// The newest event in the feed of all jobs when the page was read.
    public var lastEventID: FeedID

    public init(_ page: JobPage, links: APILinks) {
        jobs = page.jobs.map { JobDocument($0, includesQueuePosition: false, links: links) }
        _next = Nullable(wrappedValue: page.next?.description)
        lastEventID = FeedID(epoch: page.epoch, position: page.position)
    }
}

extension JobListDocument: Codable, JSONDocument {
    private enum CodingKeys: String, CodingKey {
        case jobs, next
        case lastEventID = "last_event_id"
    }

    package func write(into json: inout JSONWriter) {
        json.beginObject()
        json.name("jobs")
        json.beginArray()
        for job in jobs { job.write(into: &json) }
        json.endArray()
        json.member("next", orNull: next)
        json.member("last_event_id", lastEventID.description)
        json.endObject()
    }
}

extension JSONWriter {
    fileprivate mutating func member(_ name: StaticString, orNull number: Int?) {
        self.name(name)
        if let number { value(Int64(number)) } else { null() }
    }
}

extension KeyedDecodingContainer {
    /// Distinguishes a member that is `null` from one that is missing. The standard implementation
    /// returns `nil` for both.
    func decodeIfPresent<Value>(_ type: Nullable<Value>.Type, forKey key: Key) throws -> Nullable<Value>? {
        contains(key) ? try decode(type, forKey: key) : nil
    }
}
