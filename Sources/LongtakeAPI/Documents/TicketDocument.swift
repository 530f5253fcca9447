public import LongtakeCore

/// The body of `POST /v1/tickets` in JSON.
public struct TicketRequest: Codable, Hashable, Sendable {
    public var jobs: [JobID]
    /// The lifetime of the ticket; `nil` for the default.
    public var ttlSeconds: Int?

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case jobs
        case ttlSeconds = "ttl_seconds"
    }

    public init(jobs: [JobID], ttlSeconds: Int? = nil) {
        self.jobs = jobs
        self.ttlSeconds = ttlSeconds
    }
}

/// The response of `POST /v1/tickets` in JSON.
public struct TicketDocument: Codable, Hashable, Sendable {
    public var ticket: String
    public var jobs: [JobID]
    public var expiresAt: Timestamp

    private enum CodingKeys: String, CodingKey {
        case ticket, jobs
        case expiresAt = "expires_at"
    }

    public init(ticket: String, jobs: [JobID], expiresAt: Timestamp) {
        self.ticket = ticket
        self.jobs = jobs
        self.expiresAt = expiresAt
    }
}
