import HTTPTypes
import Hummingbird
import LongtakeCore
import LongtakeStream

/// Finds out who calls, and refuses whom it does not know or who may not do what is asked. All that it looks at is in memory.
final class Access: Sendable {
    private let mode: AccessMode
    private let keys: KeyRing
    private let signer: TicketSigner
    private let rates: RequestRates
    private let clock: any WallClock
    private let uptime: @Sendable () -> Duration

    /// - Parameter uptime: a clock that only goes forward.
    init(
        _ configuration: AccessConfiguration, clock: any WallClock, uptime: @escaping @Sendable () -> Duration
    ) {
        mode = configuration.mode
        keys = configuration.keys
        signer = configuration.tickets
        rates = RequestRates(perSecond: configuration.requestsPerSecondPerKey)
        self.clock = clock
        self.uptime = uptime
    }

    /// - Parameters:
    ///   - takesTicket: whether a ticket may stand in for a key.
    ///   - identified: called with a caller whose key is known, also if the request is refused for its rate or right.
    /// - Throws: ``Problem`` with 401, 403 or 429.
    func caller(
        of request: Request, for right: Right, takesTicket: Bool, identified: (Caller) -> Void
    ) throws(Problem) -> Caller {
        let credentials = request.headers[values: .authorization]
        if credentials.isEmpty, let ticket = Query(request)["ticket"] {
            guard takesTicket else { throw .ticketNotTaken }
            return try caller(withTicket: ticket)
        }
        guard mode == .keys else { return .anonymous }
        guard let credential = credentials.first else { throw .keyMissing }
        guard credentials.count == 1, let key = Self.key(in: credential), let caller = keys.caller(with: key) else {
            throw .keyUnknown
        }
        identified(caller)
        if let seconds = rates.take(.key(key.id), at: uptime()) { throw .tooManyRequests(retryAfter: seconds) }
        guard caller.rights.contains(right) else { throw .rightMissing(right) }
        return caller
    }

    private func caller(withTicket text: String) throws(Problem) -> Caller {
        guard let (ticket, id) = signer.read(text), isInForce(ticket.key), !ticket.jobs.isEmpty else {
            throw .ticketUnknown
        }
        // A ticket's life is a duration, so a correction of the wall clock neither ends nor prolongs it within a boot.
        let time = clock.steady()
        guard !ticket.isExpired(at: time) else { throw .ticketExpired }
        if let key = ticket.key, let seconds = rates.take(.tickets(key), at: uptime()) {
            throw .tooManyRequests(retryAfter: seconds)
        }
        return ticket.caller(signedBy: id, at: time)
    }

    /// A ticket is worth as much as the key that it was made with. One that was made without keys opens nothing once there are.
    private func isInForce(_ key: KeyID?) -> Bool {
        guard let key else { return mode == .none }
        return mode == .keys && keys.holds(key)
    }

    /// Makes a ticket.
    /// - Returns: the ticket, and until when it opens something; `nil` if there is no key to sign it with.
    func ticket(
        for caller: Caller, jobs: [JobID], lasting time: Duration
    ) throws -> (text: String, expiresAt: Timestamp)? {
        let ticket = Ticket(for: caller, jobs: jobs, expiresAt: clock.steady().advanced(by: time))
        // The client compares this with its own clock, so it is of the wall clock.
        let told = Ticket(for: caller, jobs: jobs, expiresAt: clock.now().advanced(by: time)).expiresAt
        return try signer.sign(ticket).map { ($0, told) }
    }

    /// Whether what a stream was opened with would still open it.
    func isLetIn(_ owner: StreamOwner) -> Bool {
        (owner.account.flatMap { KeyID($0) }.map(keys.holds) ?? true)
            && (owner.signer.flatMap { KeyID($0) }.map(signer.holds) ?? true)
    }

    /// The keys have changed: what was counted for those that are gone is forgotten.
    func keysChanged() { rates.keep(keys.holds) }

    /// The key in `Bearer KEY` (RFC 6750 §2.1); the scheme's name in any case (RFC 9110 §11.1).
    private static func key(in credential: String) -> APIKey? {
        let parts = credential.split(separator: " ", omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return APIKey(parts[1])
    }
}

extension Problem {
    static let keyMissing = unauthorized(
        "key-missing", "Send an API key as “Authorization: Bearer KEY”.", challenge: "Bearer realm=\"longtake\"")
    static let keyUnknown = unauthorized("key-unknown", "This key opens nothing here.", challenge: invalid)
    static let ticketUnknown = unauthorized("ticket-unknown", "This ticket opens nothing here.", challenge: invalid)
    static let ticketExpired = unauthorized(
        "ticket-expired", "This ticket has expired; make another with POST /v1/tickets.", challenge: invalid)
    static let ticketNotTaken = unauthorized(
        "ticket-not-taken", "A ticket reads jobs and their events; this needs a key.",
        challenge: "Bearer realm=\"longtake\"")

    static func rightMissing(_ right: Right) -> Problem {
        Problem(
            kind: "right-missing", status: .forbidden, title: "Forbidden",
            detail: "This key has no right “\(right.rawValue)”.",
            headers: [
                .wwwAuthenticate: "Bearer realm=\"longtake\", error=\"insufficient_scope\", scope=\"\(right.rawValue)\""
            ])
    }

    static func tooManyRequests(retryAfter seconds: Int) -> Problem {
        Problem(
            kind: "too-many-requests", status: .tooManyRequests, title: "Too many requests",
            detail: "This key asks more often than it may.", headers: [.retryAfter: String(seconds)])
    }

    private static let invalid = "Bearer realm=\"longtake\", error=\"invalid_token\""

    /// The challenge is what RFC 6750 §3 wants.
    private static func unauthorized(_ kind: String, _ detail: String, challenge: String) -> Problem {
        Problem(
            kind: kind, status: .unauthorized, title: "Unauthorized", detail: detail,
            headers: [.wwwAuthenticate: challenge])
    }
}
