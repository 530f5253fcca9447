/// How a stream is written.
public enum StreamFormat: Hashable, Sendable, CaseIterable {
    /// Server-Sent Events (WHATWG HTML §9.2) with `event:` lines.
    case events
    /// Server-Sent Events without them, for clients that have only `onmessage`.
    case messages
    /// One JSON text a line (`application/x-ndjson`).
    case lines

    public var isServerSentEvents: Bool { self != .lines }
}
