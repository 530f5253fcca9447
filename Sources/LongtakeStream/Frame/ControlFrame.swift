public import LongtakeAPI
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
            let hello = StreamHello(job: job, cursor: cursor, head: head, heartbeatSeconds: heartbeatSeconds)
            return block(format, hello, retry: retryMilliseconds, id: cursor)
        case .reset(let reason, let requested):
            return block(format, StreamReset(reason: reason, requested: requested))
        case .snapshot(let id, let job):
            return block(format, type: .snapshot, json: JobSnapshot.json(id: id, job: job), id: id.description)
        case .end(let reason, let retryMilliseconds):
            return block(format, StreamEndMessage(reason: reason), retry: retryMilliseconds)
        case .heartbeat:
            return ByteBuffer(string: format.isServerSentEvents ? ": hb\n\n" : "\n")
        case .heartbeatEvent(let position):
            return block(format, StreamHeartbeat(queuePosition: position))
        case .movedOn(let id):
            return ByteBuffer(string: format.isServerSentEvents ? "id: \(id)\n\n" : "\n")
        case .diagnosticsEvent(let number, let count, let time):
            return block(format, DiagnosticsEvent(sequence: number, of: count, at: time))
        case .diagnosticsEnd(let count):
            return block(format, DiagnosticsEnd(of: count))
        }
    }

    private func block<Message: StreamMessage>(
        _ format: StreamFormat, _ message: Message, retry: Int? = nil, id: String? = nil
    ) -> ByteBuffer {
        block(format, type: Message.messageType, json: message.json, retry: retry, id: id)
    }

    private func block(
        _ format: StreamFormat, type: StreamMessageType, json: String, retry: Int? = nil, id: String? = nil
    ) -> ByteBuffer {
        guard format.isServerSentEvents else { return ByteBuffer(string: json + "\n") }
        var text = ""
        if let retry { text += "retry: \(retry)\n" }
        if let id { text += "id: \(id)\n" }
        if format == .events { text += "event: \(type.rawValue)\n" }
        return ByteBuffer(string: text + "data: \(json)\n\n")
    }
}
