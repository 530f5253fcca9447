import HTTPTypes
import Hummingbird
import LongtakeAPI
import LongtakeCore
import LongtakeStream
import Synchronization

/// Authenticates the caller of each request and checks its rights. All data that it needs is in
/// memory.
final class AccessControl: Sendable {
    private let mode: AccessMode
    private let keys: KeyRing
    private let signer: TicketSigner
    private let limiter: RateLimiter
    private let clock: any WallClock
    private let uptime: @Sendable () -> Duration

    /// - Parameter uptime: reads a monotonic clock.
    init(
        _ configuration: AccessConfiguration, clock: any WallClock, uptime: @escaping @Sendable () -> Duration
    ) {
        mode = configuration.mode
        keys = configuration.keys
        signer = configuration.tickets
        limiter = RateLimiter(perSecond: configuration.requestsPerSecondPerKey)
        self.clock = clock
        self.uptime = uptime
    }

    /// Authenticates a request.
    /// - Parameters:
    ///   - acceptsTicket: whether the route accepts a ticket instead of a key.
    ///   - identified: called with the owner of a valid key, before the rate limit and the right
    ///     are checked.
    /// - Throws: ``Problem`` with 401, 403 or 429.
    func caller(
        of request: Request, for right: Right, acceptsTicket: Bool, identified: (Caller) -> Void
    ) throws(Problem) -> Caller {
        let credentials = request.headers[values: .authorization]
        if credentials.isEmpty, let ticket = Query(request)["ticket"] {
            guard acceptsTicket else { throw .ticketNotAccepted }
            return try caller(withTicket: ticket)
        }
        guard mode == .keys else { return .anonymous }
        guard let credential = credentials.first else { throw .keyMissing }
        guard credentials.count == 1, let key = Self.key(in: credential), let caller = keys.caller(with: key) else {
            throw .keyUnknown
        }
        identified(caller)
        if let seconds = limiter.take(.key(key.id), at: uptime()) { throw .tooManyRequests(retryAfter: seconds) }
        guard caller.rights.contains(right) else { throw .rightMissing(right) }
        return caller
    }

    private func caller(withTicket text: String) throws(Problem) -> Caller {
        guard let (ticket, id) = signer.verify(text), isValid(ticket.key), !ticket.jobs.isEmpty else {
            throw .ticketUnknown
        }
        // A ticket's lifetime is a duration on the steady clock. Setting the wall clock neither
        // ends nor extends it.
        let time = clock.steady()
        guard !ticket.isExpired(at: time) else { throw .ticketExpired }
        if let key = ticket.key, let seconds = limiter.take(.tickets(key), at: uptime()) {
            throw .tooManyRequests(retryAfter: seconds)
        }
        return ticket.caller(signedBy: id, at: time)
    }

    /// Whether tickets made with this key are valid.
    ///
    /// A ticket is valid as long as its key is. A ticket that was made without a key is valid only
    /// while the daemon requires no keys.
    private func isValid(_ key: KeyID?) -> Bool {
        guard let key else { return mode == .none }
        return mode == .keys && keys.contains(key)
    }

    /// Makes a ticket.
    /// - Returns: the ticket and when it expires; `nil` if there is no key to sign it with.
    func ticket(
        for caller: Caller, jobs: [JobID], lasting time: Duration
    ) throws -> (text: String, expiresAt: Timestamp)? {
        let ticket = Ticket(for: caller, jobs: jobs, expiresAt: clock.steady().advanced(by: time))
        // The client compares the time with its own clock, so the response shows wall-clock time.
        let shown = Ticket(for: caller, jobs: jobs, expiresAt: clock.now().advanced(by: time)).expiresAt
        return try signer.sign(ticket).map { ($0, shown) }
    }

    /// Whether the key and the ticket that opened a stream are still valid.
    func isAllowed(_ owner: StreamOwner) -> Bool {
        (owner.account.flatMap { KeyID($0) }.map(keys.contains) ?? true)
            && (owner.signer.flatMap { KeyID($0) }.map(signer.contains) ?? true)
    }

    /// Forgets the rate limits of removed keys. Called after the keys have changed.
    func keysChanged() { limiter.retain(keys.contains) }

    /// The key in `Bearer KEY` (RFC 6750 §2.1). The scheme's name is case-insensitive (RFC 9110
    /// §11.1).
    private static func key(in credential: String) -> APIKey? {
        let parts = credential.split(separator: " ", omittingEmptySubsequences: true)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return APIKey(parts[1])
    }
}

/// The owner of a request, and its rights.
struct Caller: Hashable, Sendable {
    let tenant: TenantName
    let rights: Set<Right>
    /// The key of the request, or the key with which its ticket was made; `nil` if the daemon
    /// requires no keys.
    let key: KeyID?
    /// What the request's ticket allows; `nil` if the request has no ticket.
    var ticket: TicketScope?
    /// The jobs that the caller may read; `nil` for all jobs of the tenant.
    var jobs: Set<JobID>? { ticket?.jobs }

    /// The caller of every request to a daemon that requires no keys.
    static let anonymous = Caller(tenant: .anonymous, rights: Set(Right.allCases), key: nil)

    /// Whether the caller may read this job, provided that the job belongs to the tenant.
    func mayRead(_ job: JobID) -> Bool { jobs?.contains(job) ?? true }

    /// The owner of the streams that this caller opens.
    var owner: StreamOwner {
        StreamOwner(account: key?.description, signer: ticket?.signer.description, lifetime: ticket?.remaining)
    }
}

/// What a ticket allows, and for how long.
struct TicketScope: Hashable, Sendable {
    let jobs: Set<JobID>
    /// The key that signed the ticket.
    let signer: KeyID
    /// The time until the ticket expires, counted from the request.
    let remaining: Duration
}

/// A permission of an API key. No right includes another: a key that submits and reads needs both.
/// A caller that changes a job receives that job in the response, even without ``read``.
public enum Right: String, Hashable, Sendable, CaseIterable, Codable {
    /// Read jobs, events, pipelines and queues.
    case read
    /// Submit jobs, and cancel, retry and delete jobs of the tenant. A submission may also open the
    /// stream of its new job.
    case submit
    /// Operate the daemon, which affects all tenants: pause queues, make backups, read metrics.
    case admin
}

/// Limits the requests per second of each key with one token bucket per account.
final class RateLimiter: Sendable {
    /// The requests that share one bucket.
    enum Account: Hashable {
        case key(KeyID)
        /// All tickets of one key. A page with many readers uses none of the key's own requests.
        case tickets(KeyID)
    }

    private let perSecond: Double
    private let buckets = Mutex<[Account: TokenBucket]>([:])

    /// - Parameter perSecond: at least 1; 0 for no limit.
    init(perSecond: Int) { self.perSecond = Double(perSecond) }

    /// Takes one token.
    /// - Parameter time: from a monotonic clock.
    /// - Returns: `nil` if there was a token, otherwise the seconds until there is one.
    func take(_ account: Account, at time: Duration) -> Int? {
        guard perSecond > 0 else { return nil }
        return buckets.withLock { buckets in
            buckets[account, default: TokenBucket(perSecond: perSecond, at: time)].take(at: time)
        }
    }

    /// Removes the buckets of all keys that do not match.
    func retain(_ isRetained: (KeyID) -> Bool) {
        buckets.withLock { buckets in
            buckets = buckets.filter { account, _ in
                switch account {
                case .key(let id), .tickets(let id): isRetained(id)
                }
            }
        }
    }
}

/// A token bucket. It refills at a steady rate and holds the tokens of one second at most.
struct TokenBucket: Sendable {
    private let perSecond: Double
    private var tokens: Double
    private var last: Duration

    init(perSecond: Double, at time: Duration) {
        self.perSecond = perSecond
        tokens = perSecond
        last = time
    }

    /// - Returns: `nil` if there was a token, otherwise the whole seconds until there is one.
    mutating func take(at time: Duration) -> Int? {
        tokens = min(perSecond, tokens + max(.zero, time - last) / .seconds(1) * perSecond)
        last = max(last, time)
        guard tokens < 1 else {
            tokens -= 1
            return nil
        }
        return max(1, Int(((1 - tokens) / perSecond).rounded(.up)))
    }
}

extension Problem {
    static let keyMissing = unauthorized(
        .keyMissing, "Send an API key as “Authorization: Bearer KEY”.", challenge: "Bearer realm=\"longtake\"")
    static let keyUnknown = unauthorized(.keyUnknown, "This API key is not valid.", challenge: invalid)
    static let ticketUnknown = unauthorized(.ticketUnknown, "This ticket is not valid.", challenge: invalid)
    static let ticketExpired = unauthorized(
        .ticketExpired, "This ticket has expired. Make a new one with POST /v1/tickets.", challenge: invalid)
    static let ticketNotAccepted = unauthorized(
        .ticketNotAccepted, "A ticket only reads jobs and their events. This route needs an API key.",
        challenge: "Bearer realm=\"longtake\"")

    static func rightMissing(_ right: Right) -> Problem {
        Problem(
            type: .rightMissing, status: .forbidden, title: "Forbidden",
            detail: "This key does not have the right “\(right.rawValue)”.",
            headers: [
                .wwwAuthenticate: "Bearer realm=\"longtake\", error=\"insufficient_scope\", scope=\"\(right.rawValue)\""
            ])
    }

    static func tooManyRequests(retryAfter seconds: Int) -> Problem {
        Problem(
            type: .tooManyRequests, status: .tooManyRequests, title: "Too many requests",
            detail: "This key has exceeded its rate limit.", headers: [.retryAfter: String(seconds)])
    }

    private static let invalid = "Bearer realm=\"longtake\", error=\"invalid_token\""

    /// A 401 with the challenge that RFC 6750 §3 requires.
    private static func unauthorized(_ type: ProblemType, _ detail: String, challenge: String) -> Problem {
        Problem(
            type: type, status: .unauthorized, title: "Unauthorized", detail: detail,
            headers: [.wwwAuthenticate: challenge])
    }
}
