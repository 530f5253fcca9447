/// A durable event with its number in the log of its job. It never changes. Every reader gets the
/// same bytes of JSON, at any time.
public struct CommittedEvent: Hashable, Sendable {
    public let id: EventID
    /// Its position among the events of all jobs.
    public let position: EventPosition
    public let job: JobID
    /// The owner of the job. A reader of the feed gets the events of one tenant.
    public let tenant: TenantName
    /// The pipeline of the job. A reader of the feed can filter by pipeline.
    public let pipeline: PipelineName
    public let type: EventType
    public let at: Timestamp
    /// The text from ``JobEvent/payload()``: a JSON object with at least the member `progress`.
    public let payload: String

    public init(
        id: EventID, position: EventPosition, job: JobID, tenant: TenantName, pipeline: PipelineName, type: EventType,
        at: Timestamp, payload: String
    ) {
        self.id = id
        self.position = position
        self.job = job
        self.tenant = tenant
        self.pipeline = pipeline
        self.type = type
        self.at = at
        self.payload = payload
    }

    public var sequence: EventSequence { id.sequence }

    /// The event as one line of JSON: `id`, `type`, `job`, `seq`, `at`, then the members of the
    /// payload.
    public var json: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(jsonByteCount)
        writeJSON(into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends ``json`` as UTF-8.
    package func writeJSON(into bytes: inout [UInt8]) {
        bytes.append("{\"id\":\"" as StaticString)
        bytes.append(id)
        bytes.append("\",\"type\":\"" as StaticString)
        bytes.append(type.rawValue)
        bytes.append("\",\"job\":\"" as StaticString)
        bytes.append(job.description)
        bytes.append("\",\"seq\":" as StaticString)
        bytes.append(decimal: id.sequence.rawValue)
        bytes.append(",\"at\":\"" as StaticString)
        at.write(into: &bytes)
        bytes.append("\"," as StaticString)
        bytes.append(contentsOf: payload.utf8.dropFirst())
    }

    /// The number of bytes of ``json``.
    public var jsonByteCount: Int {
        // 75 bytes: the names of the members, the punctuation, the epoch with its dash, and the
        // time.
        75 + 2 * id.sequence.rawValue.digitCount + type.rawValue.utf8.count + job.description.utf8.count
            + payload.utf8.count
    }
}
