public import LongtakeAPI
public import LongtakeCore
public import NIOCore

/// A message of the stream itself, in contrast to an event of the log.
public enum ControlFrame: Sendable {
    /// The first message. `job` is `nil` for the feed. `cursor` is the valid cursor of the client,
    /// and `nil` if its cursor is invalid. `head` is the newest event of the log.
    case hello(job: JobID?, cursor: String?, head: String, heartbeatSeconds: Int, retryMilliseconds: Int)
    /// The cursor of the client is invalid, or became invalid because the epoch changed.
    case reset(reason: CursorRefusal, requested: String)
    /// The job at the head of its log, which replaces the events before it. `job` is its JSON.
    case snapshot(id: EventID, job: String)
    /// The stream ends although the job has not ended.
    case end(reason: StreamEnd, retryMilliseconds: Int)
    /// Keeps the connection open.
    case heartbeat
    /// A heartbeat that a web page can see. The position is `nil` if the job does not wait in a
    /// queue or its position is not known.
    case heartbeatEvent(queuePosition: Int?)
    /// The time left of the job; `nil` if there is no estimate any more. It has no id.
    case estimate(JobID, JobEstimate?)
    /// Moves the cursor of a client of the feed over events that its filter excludes. A block with
    /// only an `id:` line sets the last event ID and dispatches no event (WHATWG HTML §9.2.6).
    case cursor(FeedID)
    /// Text of the log of a stage, and the offset behind it.
    case log(text: [UInt8], end: Int64)
    /// A test event with its number, the number of all test events, and the time of the write.
    case diagnosticsEvent(Int, of: Int, at: Timestamp)
    /// The message after the last test event.
    case diagnosticsEnd(after: Int)

    /// The bytes in one format; empty if the format has no such message (NDJSON has no hello).
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
        case .estimate(let job, let estimate):
            return block(format, StreamEstimate(job: job, estimate))
        case .cursor(let id):
            return ByteBuffer(string: format.isServerSentEvents ? "id: \(id)\n\n" : "\n")
        case .log(let text, let end):
            return Self.block(format, text, end)
        case .diagnosticsEvent(let number, let count, let time):
            return block(format, DiagnosticsEvent(sequence: number, of: count, at: time))
        case .diagnosticsEnd(let count):
            return block(format, DiagnosticsEnd(of: count))
        }
    }

    /// Each line of the text becomes a `data:` line. In Server-Sent Events a carriage return ends a
    /// line too (WHATWG HTML §9.2.5).
    private static func block(_ format: StreamFormat, _ text: [UInt8], _ end: Int64) -> ByteBuffer {
        var block = ByteBuffer()
        block.reserveCapacity(text.count + text.count / 4 + 64)
        block.writeString("id: \(end)\n")
        if format == .events { block.writeString("event: \(StreamMessageType.log.rawValue)\n") }
        let text = text.last == UInt8(ascii: "\n") ? text.dropLast() : text[...]
        for line in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            for part in line.split(separator: UInt8(ascii: "\r"), omittingEmptySubsequences: false) {
                block.writeStaticString("data: ")
                block.writeBytes(part)
                block.writeStaticString("\n")
            }
        }
        block.writeStaticString("\n")
        return block
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
