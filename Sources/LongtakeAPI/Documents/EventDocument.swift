public import LongtakeCore

/// An event of a job in JSON. The members after `at` depend on the type; docs/api.md lists them.
///
/// The daemon writes events with ``CommittedEvent``, which stores their JSON. Clients decode them
/// with this type.
public struct EventDocument: Codable, Hashable, Sendable {
    public var id: EventID
    /// The name of the type. A client should ignore types that it does not know.
    public var type: String
    public var job: JobID
    public var sequence: Int64
    public var at: Timestamp
    /// The progress of the whole job.
    public var progress: Double
    public var pipeline: PipelineName?
    public var stages: [StageName]?
    public var priority: Int?
    public var stage: StageName?
    /// The number of the stage; 1 for the first one.
    public var index: Int?
    /// The number of stages.
    public var of: Int?
    public var attempt: Int?
    public var queue: QueueName?
    public var stageProgress: Double?
    public var message: String?
    public var durationSeconds: Double?
    public var delaySeconds: Double?
    public var reason: String?
    public var output: JSONValue?
    public var error: JobError?
    /// The name of an artifact.
    public var name: ArtifactName?
    /// The media type of an artifact.
    public var contentType: String?
    /// The size of an artifact.
    public var bytes: Int64?
    /// The SHA-256 of an artifact.
    public var sha256: ContentHash?
    public var role: Artifact.Role?
    /// `true` for the last event of the job, otherwise missing.
    public var final: Bool?

    /// `nil` if this version does not know the type.
    public var eventType: EventType? { EventType(rawValue: type) }

    private enum CodingKeys: String, CodingKey {
        case id, type, job, at, progress, pipeline, stages, priority, stage, index, of, attempt, queue, message, reason
        case output, error, final, name, bytes, sha256, role
        case contentType = "content_type"
        case sequence = "seq"
        case stageProgress = "stage_progress"
        case durationSeconds = "duration_seconds"
        case delaySeconds = "delay_seconds"
    }
}

/// A page of a job's log in JSON.
public struct EventPageDocument: Codable, Hashable, Sendable {
    public var events: [EventDocument]
    /// The cursor of the next page.
    public var lastEventID: EventID
    /// The last event of the log.
    public var head: EventID
    /// Whether the page contains the last event and the job is final.
    public var finished: Bool

    private enum CodingKeys: String, CodingKey {
        case events, head, finished
        case lastEventID = "last_event_id"
    }

    /// Writes a page that contains the stored JSON of each event unchanged.
    package static func json(_ page: EventPage, after: EventSequence) -> String {
        let last = page.events.last?.sequence ?? after
        let isFinished = page.isFinal && last == page.head
        return "{\"events\":[" + page.events.map(\.json).joined(separator: ",")
            + "],\"last_event_id\":\"\(EventID(epoch: page.epoch, sequence: last))\","
            + "\"head\":\"\(EventID(epoch: page.epoch, sequence: page.head))\",\"finished\":\(isFinished)}"
    }
}
