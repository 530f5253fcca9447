public import LongtakeCore
public import NIOCore

/// What a stream says about itself, as opposed to the events of the log that it carries.
public enum ControlFrame: Sendable {
    /// The first block: the job (`nil` for the feed), the cursor that is honoured (`nil` where it could not be), and the head of the log.
    case hello(job: JobID?, cursor: String?, head: String, heartbeatSeconds: Int, retryMilliseconds: Int)
    /// The cursor cannot be honoured; a snapshot follows.
    case reset(reason: CursorRefusal, requested: String)
    /// The job at the head of its log, in place of the events before it; the text is the job's JSON.
    case snapshot(id: EventID, job: String)
    /// The stream ends although the job does not.
    case end(reason: StreamEnd, retryMilliseconds: Int)
    /// A sign of life that only keeps the connection open.
    case heartbeat
    /// A sign of life that a page can see. The position is that of a job that waits in a queue, `nil` if it does not or nobody knows.
    case heartbeatEvent(queuePosition: Int?)
    /// Moves a reader of the feed on over events that its filter leaves out: an `id:` line and nothing else, which sets the last event
    /// ID and dispatches no event (WHATWG HTML §9.2.6).
    case movedOn(to: FeedID)
    /// One of so many test events, with the time at which it is written.
    case diagnosticsEvent(Int, of: Int, at: Timestamp)
    /// Behind the last of so many test events.
    case diagnosticsEnd(after: Int)

    /// The frame in one format; empty where that format has no such frame (NDJSON has no hello).
    public func bytes(_ format: StreamFormat) -> ByteBuffer {
        switch self {
        case .hello(let job, let cursor, let head, let heartbeatSeconds, let retryMilliseconds):
            guard format.isServerSentEvents else { return ByteBuffer() }
            let shown = cursor.map { "\"\($0)\"" } ?? "null"
            let name = job.map { "\"\($0)\"" } ?? "null"
            return block(
                format, retry: retryMilliseconds, id: cursor, type: "stream.hello",
                data:
                    "\"job\":\(name),\"cursor\":\(shown),\"head\":\"\(head)\",\"heartbeat_seconds\":\(heartbeatSeconds)"
            )
        case .reset(let reason, let requested):
            let quoted = Self.quoted(Self.cut(requested))
            return block(
                format, type: "stream.reset", data: "\"reason\":\"\(reason.rawValue)\",\"requested\":\(quoted)")
        case .snapshot(let id, let job):
            return block(format, id: id.description, type: "job.snapshot", data: "\"id\":\"\(id)\",\"job\":\(job)")
        case .end(let reason, let retryMilliseconds):
            return block(
                format, retry: retryMilliseconds, type: "stream.end", data: "\"reason\":\"\(reason.rawValue)\"")
        case .heartbeat:
            return ByteBuffer(string: format.isServerSentEvents ? ": hb\n\n" : "\n")
        case .heartbeatEvent(let position):
            return block(format, type: "stream.heartbeat", data: position.map { "\"queue_position\":\($0)" })
        case .movedOn(let id):
            return ByteBuffer(string: format.isServerSentEvents ? "id: \(id)\n\n" : "\n")
        case .diagnosticsEvent(let number, let count, let time):
            return block(
                format, type: "diagnostics.event", data: "\"seq\":\(number),\"of\":\(count),\"at\":\"\(time)\"")
        case .diagnosticsEnd(let count):
            return block(format, type: "diagnostics.end", data: "\"of\":\(count)")
        }
    }

    private func block(
        _ format: StreamFormat, retry: Int? = nil, id: String? = nil, type: String, data members: String?
    ) -> ByteBuffer {
        let json = "{\"type\":\"\(type)\"" + (members.map { ",\($0)" } ?? "") + "}"
        guard format.isServerSentEvents else { return ByteBuffer(string: json + "\n") }
        var text = ""
        if let retry { text += "retry: \(retry)\n" }
        if let id { text += "id: \(id)\n" }
        if format == .events { text += "event: \(type)\n" }
        return ByteBuffer(string: text + "data: \(json)\n\n")
    }

    /// A JSON string; the encoder cannot fail on one, and an empty string is the honest answer if it ever does.
    private static func quoted(_ text: String) -> String { (try? JSONText.encode(text)) ?? "\"\"" }

    /// At most ``Limits/requestedCursorBytes``, on the border of a character.
    private static func cut(_ text: String) -> String {
        var cut = text
        while cut.utf8.count > Limits.requestedCursorBytes { cut.removeLast() }
        return cut
    }
}

/// Why a stream ends before the job does; the raw value is the `reason` of `stream.end`.
public enum StreamEnd: String, Hashable, Sendable {
    /// The daemon stops; the reader comes back to the next one.
    case draining
    /// It has been open for as long as streams may be.
    case maxAge = "max_age"
    /// As many streams are open as there may be. The reader comes back.
    case limit
    /// The journal cannot serve reads at present. The reader comes back.
    case unavailable
    /// The key was revoked, or the ticket has expired. The reader does not come back: it would get 401.
    case unauthorized
}
