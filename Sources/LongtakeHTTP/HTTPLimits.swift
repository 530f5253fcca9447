import LongtakeCore

/// Limits of the HTTP server, each with its reason.
package enum HTTPLimits {
    // MARK: Requests

    /// Bytes of the body of a request.
    static let requestBodyBytes = 64 * 1024
    /// Bytes of the request line and all headers.
    static let requestHeadBytes = 16 * 1024
    /// How long a request may take to arrive, from its first byte to the end of its body.
    static let requestDeadline: Duration = .seconds(10)
    /// Visible ASCII characters of an `Idempotency-Key`.
    static let idempotencyKeyBytes = 255
    /// How long a request may wait for a change (`Prefer: wait`, `?wait=`). Most proxies time out
    /// after 60 s.
    static let waitSeconds = 50
    /// Events of one page that a client requests with `?limit=`.
    static let eventsPerClientPage = 1_000

    // MARK: Connections

    /// Open connections. The process has fewer if the system allows fewer descriptors. If the limit
    /// is reached, a new connection replaces an idle one.
    package static let connections = 32_768
    /// How long a connection may stay idle between two requests.
    static let idleTimeout: Duration = .seconds(60)

    // MARK: Responses

    /// Bytes of a response that a client must take within the write deadline. Each further piece of
    /// this size has its own deadline.
    static let responsePieceBytes = 16 * 1024
    /// Bytes of all responses that clients have not read yet, except responses of one piece. This
    /// holds hundreds of the largest pages. A client that reads takes a page within milliseconds.
    static let unreadResponseBytes = 256 * 1024 * 1024
    /// Such bytes of one key and its tickets.
    static let unreadResponseBytesPerKey = 64 * 1024 * 1024
    /// How long `/readyz` relies on a successful write. Every client may request `/readyz`, so all
    /// such requests together cost one commit per second.
    static let readinessLifetime: Duration = .seconds(1)

    // MARK: Tickets

    /// Jobs of one ticket: as many as the filter of one feed reader may name.
    static let ticketJobs = Limits.feedJobs
    /// The lifetime of a ticket. A week is longer than the longest job takes.
    package static let ticketSeconds = 1...604_800
    /// The default lifetime of a ticket: a day, so that a page that stays open overnight still
    /// works.
    static let ticketSecondsDefault = 86_400

    // MARK: Streams

    /// The range of the setting `stream.heartbeat_seconds`, and of the parameter
    /// `heartbeat_seconds`. Some clients time out after 5 s of silence, proxies after 60 s.
    package static let heartbeatSeconds = 1...300
    /// A client may request a heartbeat interval up to this multiple of the setting. The limit
    /// exists because heartbeats detect dead connections.
    static let heartbeatFactor = 4
    /// Test events of one diagnostics stream.
    static let diagnosticsEvents = 1...100
    /// The milliseconds between two test events.
    static let diagnosticsIntervalMilliseconds = 10...10_000
    /// The duration of a diagnostics stream. No proxy holds a body back for longer.
    static let diagnosticsTimeLimit: Duration = .seconds(60)
}
