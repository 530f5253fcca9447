public import LongtakeCore

/// The types of the messages in a stream that are not events of a log. ``EventType`` has the
/// others.
public enum StreamMessageType: String, CaseIterable, Hashable, Sendable {
    case hello = "stream.hello"
    case reset = "stream.reset"
    case snapshot = "job.snapshot"
    case end = "stream.end"
    case heartbeat = "stream.heartbeat"
    case estimate = "job.estimate"
    case log
    case diagnosticsEvent = "diagnostics.event"
    case diagnosticsEnd = "diagnostics.end"
}

/// Why a stream ends before the job does: the `reason` of `stream.end`.
public enum StreamEnd: String, CaseIterable, Hashable, Sendable, Codable {
    /// The daemon shuts down. The reader reconnects to the next one.
    case draining
    /// The stream has reached the maximum age of streams. The reader reconnects.
    case maxAge = "max_age"
    /// The limit of open streams is reached. The reader reconnects.
    case limit
    /// The journal cannot read at present. The reader reconnects.
    case unavailable
    /// The key was revoked, or the ticket has expired. The reader must not reconnect: it would get
    /// 401.
    case unauthorized
}

/// A message in a stream that is not an event of a log.
package protocol StreamMessage: Codable {
    static var messageType: StreamMessageType { get }

    /// Writes the members after `type`.
    func writeMembers(into json: inout JSONWriter)
}

extension StreamMessage {
    /// The message as one line of JSON: `type`, then its other members.
    package var json: String {
        var json = JSONWriter(capacity: 192)
        json.beginObject()
        json.member("type", Self.messageType.rawValue)
        writeMembers(into: &json)
        json.endObject()
        return json.text
    }
}

/// The first message of a stream.
public struct StreamHello: Codable, Hashable, Sendable, StreamMessage {
    /// `nil` in the feed of all jobs.
    @Nullable public var job: JobID?
    /// The cursor after which the stream starts; `nil` if the requested cursor was refused.
    @Nullable public var cursor: String?
    /// The id of the last event.
    public var head: String
    public var heartbeatSeconds: Int

    package static let messageType = StreamMessageType.hello

    private enum CodingKeys: String, CodingKey {
        case job, cursor, head
        case heartbeatSeconds = "heartbeat_seconds"
    }

    package init(job: JobID?, cursor: String?, head: String, heartbeatSeconds: Int) {
        _job = Nullable(wrappedValue: job)
        _cursor = Nullable(wrappedValue: cursor)
        self.head = head
        self.heartbeatSeconds = heartbeatSeconds
    }

    package func writeMembers(into json: inout JSONWriter) {
        json.member("job", orNull: job?.description)
        json.member("cursor", orNull: cursor)
        json.member("head", head)
        json.member("heartbeat_seconds", Int64(heartbeatSeconds))
    }
}

/// Tells the reader that its cursor was refused.
public struct StreamReset: Codable, Hashable, Sendable, StreamMessage {
    public var reason: CursorRefusal
    /// The cursor that the reader sent, cut to 64 bytes: enough to recognize it.
    public var requested: String

    package static let messageType = StreamMessageType.reset

    private static let requestedBytes = 64

    /// - Parameter requested: cut to 64 bytes in UTF-8, at a character boundary.
    package init(reason: CursorRefusal, requested: String) {
        self.reason = reason
        var requested = requested
        while requested.utf8.count > Self.requestedBytes { requested.removeLast() }
        self.requested = requested
    }

    package func writeMembers(into json: inout JSONWriter) {
        json.member("reason", reason.rawValue)
        json.name("requested")
        // Encoding a string cannot fail. If it did, an empty string would be the honest value.
        json.value(json: (try? JSONText.encode(requested)) ?? "\"\"")
    }
}

extension CursorRefusal: Codable {}

/// The state of a job after a reset.
public struct JobSnapshot: Codable, Hashable, Sendable {
    public var id: EventID
    public var job: JobDocument

    /// The message as one line of JSON.
    /// - Parameter job: the JSON of the job.
    package static func json(id: EventID, job: String) -> String {
        var json = JSONWriter(capacity: job.utf8.count + 96)
        json.beginObject()
        json.member("type", StreamMessageType.snapshot.rawValue)
        json.member("id", id.description)
        json.name("job")
        json.value(json: job)
        json.endObject()
        return json.text
    }
}

/// The last message of a stream that ends before its job.
public struct StreamEndMessage: Codable, Hashable, Sendable, StreamMessage {
    public var reason: StreamEnd

    package static let messageType = StreamMessageType.end

    package init(reason: StreamEnd) { self.reason = reason }

    package func writeMembers(into json: inout JSONWriter) { json.member("reason", reason.rawValue) }
}

/// A heartbeat that a page can see.
public struct StreamHeartbeat: Codable, Hashable, Sendable, StreamMessage {
    /// The queue position of the job; missing if the job does not wait or the position is unknown.
    public var queuePosition: Int?

    package static let messageType = StreamMessageType.heartbeat

    private enum CodingKeys: String, CodingKey {
        case queuePosition = "queue_position"
    }

    package init(queuePosition: Int?) { self.queuePosition = queuePosition }

    package func writeMembers(into json: inout JSONWriter) {
        if let queuePosition { json.member("queue_position", Int64(queuePosition)) }
    }
}

/// A test event of a diagnostics stream.
public struct DiagnosticsEvent: Codable, Hashable, Sendable, StreamMessage {
    public var sequence: Int
    /// The number of test events.
    public var of: Int
    /// When the daemon wrote the event.
    public var at: Timestamp

    package static let messageType = StreamMessageType.diagnosticsEvent

    private enum CodingKeys: String, CodingKey {
        case of, at
        case sequence = "seq"
    }

    package init(sequence: Int, of count: Int, at time: Timestamp) {
        self.sequence = sequence
        of = count
        at = time
    }

    package func writeMembers(into json: inout JSONWriter) {
        json.member("seq", Int64(sequence))
        json.member("of", Int64(of))
        json.member("at", at.description)
    }
}

/// The last message of a diagnostics stream.
public struct DiagnosticsEnd: Codable, Hashable, Sendable, StreamMessage {
    /// The number of test events.
    public var of: Int

    package static let messageType = StreamMessageType.diagnosticsEnd

    package init(of count: Int) { of = count }

    package func writeMembers(into json: inout JSONWriter) { json.member("of", Int64(of)) }
}
