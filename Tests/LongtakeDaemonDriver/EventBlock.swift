/// One event of a `text/event-stream` (WHATWG HTML §9.2.5), with its bytes.
package struct EventBlock: Hashable, Sendable {
    package let raw: String
    package var id: String?
    package var event: String?
    package var data: String?
    package var retry: Int?
    package var comments: [String] = []

    package init(_ raw: String) {
        self.raw = raw
        for line in raw.utf8.split(separator: 0x0a).map({ String(decoding: $0, as: UTF8.self) }) {
            let colon = line.firstIndex(of: ":") ?? line.endIndex
            var value = line[colon...].dropFirst()
            if value.first == " " { value = value.dropFirst() }
            switch line[..<colon] {
            case "": comments.append(String(value))
            case "id": id = String(value)
            case "event": event = String(value)
            case "data": data = data.map { $0 + "\n" + value } ?? String(value)
            case "retry": retry = Int(value)
            default: comments.append("unknown field: " + line)
            }
        }
    }

    /// Whether the block is an event of the event log, and not a message about the stream.
    package var isLogged: Bool {
        event.map { !$0.hasPrefix("stream.") && $0 != "job.snapshot" && $0 != "job.estimate" } ?? false
    }
}

/// Reads a stream event by event.
package final class EventReader {
    package let socket: Socket
    package let head: ResponseHead
    private var text: [UInt8] = []
    /// Whether the body ended as its framing requires.
    package private(set) var endedCleanly = false

    /// Sends `request` and reads the head of the response.
    package init(_ socket: Socket, _ request: String, within seconds: Double = 30) throws {
        self.socket = socket
        try socket.send(request)
        head = try socket.readHead(within: seconds)
    }

    /// The next block; `nil` at the end of the body.
    package func next(within seconds: Double = 30) throws -> EventBlock? {
        while true {
            if let end = text.indices.dropLast().first(where: { text[$0] == 0x0a && text[$0 + 1] == 0x0a }) {
                defer { text.removeFirst(end + 2) }
                return EventBlock(String(decoding: text[...(end + 1)], as: UTF8.self))
            }
            guard let bytes = try more(within: seconds) else { return nil }
            text += bytes
        }
    }

    /// Reads to a block with these bytes. A heartbeat may come without the queue position, or with
    /// the previous one, so the expected block is not always the next one.
    /// - Returns: whether it is among the next 20 blocks.
    package func next(equalTo raw: String) throws -> Bool {
        for _ in 1...20 {
            guard let block = try next() else { return false }
            if block.raw == raw { return true }
        }
        return false
    }

    /// The body did not end in time.
    package struct Endless: Error {}

    /// All blocks to the end of the body. The end must come within that time, even if there are
    /// heartbeats.
    package func rest(within seconds: Double = 120) throws -> [EventBlock] {
        var blocks: [EventBlock] = []
        let deadline = Deadline(seconds)
        while let block = try next(within: seconds) {
            if deadline.isOver { throw Endless() }
            blocks.append(block)
        }
        return blocks
    }

    private func more(within seconds: Double) throws -> [UInt8]? {
        guard head.isChunked else {
            let bytes = try socket.read(through: "\n\n", within: seconds)
            endedCleanly = bytes.isEmpty
            return bytes.isEmpty ? nil : bytes
        }
        let chunk = try socket.readChunk(within: seconds)
        endedCleanly = chunk == nil && !socket.isAtEnd
        return chunk
    }
}
