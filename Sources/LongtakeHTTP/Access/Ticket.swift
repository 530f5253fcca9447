import Crypto
import FoundationEssentials
public import LongtakeCore
import Synchronization

/// Lets a client read some jobs for some time without a key, because an `EventSource` cannot send
/// headers.
///
/// The daemon stores no tickets: a ticket contains everything that it allows, and is signed. A
/// client may use it many times, because an `EventSource` reconnects to the same URL.
struct Ticket: Hashable, Sendable, Codable {
    let tenant: TenantName
    /// 1 to ``HTTPLimits/ticketJobs``.
    let jobs: [JobID]
    /// The key with which the ticket was made, and without which it is not valid; `nil` if the
    /// daemon required no keys.
    let key: KeyID?
    /// When the ticket expires, in seconds since 1970 on the steady clock (``WallClock/steady()``).
    let expires: Int64

    private enum CodingKeys: String, CodingKey {
        case tenant, jobs, key, expires
    }

    init(for caller: Caller, jobs: [JobID], expiresAt time: Timestamp) {
        tenant = caller.tenant
        self.jobs = jobs
        key = caller.key
        // Rounded up, so that the ticket does not expire before the promised time.
        expires = (time.millisecondsSince1970 + 999) / 1_000
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        tenant = try container.decode(TenantName.self, forKey: .tenant)
        jobs = try container.decode([String].self, forKey: .jobs).compactMap { JobID($0) }
        key = try container.decodeIfPresent(KeyID.self, forKey: .key)
        expires = try container.decode(Int64.self, forKey: .expires)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(tenant, forKey: .tenant)
        try container.encode(jobs.map(\.description), forKey: .jobs)
        try container.encodeIfPresent(key, forKey: .key)
        try container.encode(expires, forKey: .expires)
    }

    func isExpired(at time: Timestamp) -> Bool { time.millisecondsSince1970 >= expires * 1_000 }

    var expiresAt: Timestamp { Timestamp(millisecondsSince1970: expires * 1_000) }

    /// The caller of a request that has this ticket.
    func caller(signedBy signer: KeyID, at time: Timestamp) -> Caller {
        let left = Duration.milliseconds(expires * 1_000 - time.millisecondsSince1970)
        return Caller(
            tenant: tenant, rights: [.read], key: key,
            ticket: TicketScope(jobs: Set(jobs), signer: signer, remaining: left))
    }
}

/// A secret with which the daemon signs tickets.
public struct SigningKey: Hashable, Sendable, Codable {
    /// Each ticket names the id of the key that signed it.
    public let id: KeyID
    public let secret: Bits256
    public let createdAt: Timestamp

    private enum CodingKeys: String, CodingKey {
        case id, secret
        case createdAt = "created_at"
    }

    /// - Parameter random: draws 64 bits from a cryptographically secure source.
    public init(at time: Timestamp, random: () -> UInt64) {
        id = KeyID(random: random())
        createdAt = time
        secret = Bits256(random: random)
    }
}

/// Signs tickets and verifies their signatures: HMAC-SHA256 (RFC 2104) over the bytes that are
/// sent.
public final class TicketSigner: Sendable {
    private struct Keys {
        /// The key that signs.
        var newest: (id: KeyID, key: SymmetricKey)?
        var all: [KeyID: SymmetricKey] = [:]
    }

    private let keys = Mutex(Keys())
    /// Part of what is signed. Nothing else that is ever signed with the same key can pass for a
    /// ticket.
    private static let purpose = Data("longtake-ticket-1.".utf8)

    public init(_ keys: [SigningKey] = []) { replace(with: keys) }

    /// Replaces all keys. The newest key signs; every key verifies the tickets that it has signed.
    public func replace(with signing: [SigningKey]) {
        var new = Keys()
        for key in signing.sorted(by: { $0.createdAt < $1.createdAt }) {
            let secret = SymmetricKey(data: key.secret.data)
            new.all[key.id] = secret
            new.newest = (key.id, secret)
        }
        keys.withLock { $0 = new }
    }

    /// Whether the tickets that this key has signed are valid.
    func contains(_ id: KeyID) -> Bool { keys.withLock { $0.all[id] != nil } }

    /// Signs a ticket.
    /// - Returns: the id of the signing key, the body and the signature, joined by dots. Body and
    ///   signature are base64 without padding (RFC 4648 §5). `nil` if there is no signing key.
    func sign(_ ticket: Ticket) throws -> String? {
        guard let newest = keys.withLock({ $0.newest }) else { return nil }
        let body = try JSONText.data(ticket)
        let code = HMAC<SHA256>.authenticationCode(for: Self.purpose + body, using: newest.key)
        return "\(newest.id).\(Base64URL.encode(body)).\(Base64URL.encode(Data(code)))"
    }

    /// Verifies a signature and decodes the ticket. The caller checks whether the ticket has
    /// expired.
    /// - Returns: `nil` if no known key has signed the text.
    func verify(_ text: String) -> (ticket: Ticket, signer: KeyID)? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        // The body is decoded only after its signature is verified.
        guard parts.count == 3, let id = KeyID(parts[0]), let key = keys.withLock({ $0.all[id] }),
            let body = Base64URL.decode(parts[1]), let code = Base64URL.decode(parts[2]),
            HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: Self.purpose + body, using: key)
        else { return nil }
        return (try? JSONText.decode(Ticket.self, fromUTF8: body)).map { ($0, id) }
    }
}

/// Base64 with the URL-safe alphabet and without padding (RFC 4648 §5).
private enum Base64URL {
    static func encode(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    static func decode(_ text: Substring) -> Data? {
        // Only one spelling is valid, so padding and the standard alphabet are refused.
        guard !text.utf8.contains(where: { $0 == 0x2b || $0 == 0x2f || $0 == 0x3d }) else { return nil }
        let plain = text.replacing("-", with: "+").replacing("_", with: "/")
        return Data(base64Encoded: plain + String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4))
    }
}
