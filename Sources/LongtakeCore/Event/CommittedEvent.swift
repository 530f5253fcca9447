/// One durable, numbered line in a job's log. It is immutable, and its JSON is the same bytes wherever and whenever it is shown.
public struct CommittedEvent: Hashable, Sendable {
    public let id: EventID
    /// Among the events of all jobs.
    public let position: EventPosition
    public let job: JobID
    public let type: EventType
    public let at: Timestamp
    /// The event's own members, the text that ``JobEvent/payload()`` made: a JSON object with at least `progress`.
    public let payload: String

    public init(id: EventID, position: EventPosition, job: JobID, type: EventType, at: Timestamp, payload: String) {
        self.id = id
        self.position = position
        self.job = job
        self.type = type
        self.at = at
        self.payload = payload
    }

    public var sequence: EventSequence { id.sequence }

    /// The event as one line of JSON: `id`, `type`, `job`, `seq`, `at`, then the payload's members.
    public var json: String {
        "{\"id\":\"\(id)\",\"type\":\"\(type.rawValue)\",\"job\":\"\(job)\",\"seq\":\(id.sequence),\"at\":\"\(at)\","
            + payload.dropFirst()
    }
}
