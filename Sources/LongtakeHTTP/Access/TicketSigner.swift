import Crypto
import FoundationEssentials
public import LongtakeCore
import Synchronization

/// A secret that tickets are signed with.
public struct SigningKey: Hashable, Sendable, Codable {
    /// Named in the tickets that it signed.
    public let id: KeyID
    public let secret: Bits256
    public let createdAt: Timestamp

    private enum CodingKeys: String, CodingKey {
        case id, secret
        case createdAt = "created_at"
    }

    /// - Parameter random: draws 64 bits of chance that is good enough for secrets.
    public init(at time: Timestamp, random: () -> UInt64) {
        id = KeyID(random: random())
        createdAt = time
        secret = Bits256(random: random)
    }
}

/// Signs tickets, and tells those that it signed from all others. HMAC-SHA256 (RFC 2104), over the bytes as they are sent.
public final class TicketSigner: Sendable {
    private struct Keys {
        /// Signs.
        var newest: (id: KeyID, key: SymmetricKey)?
        var all: [KeyID: SymmetricKey] = [:]
    }

    private let keys = Mutex(Keys())
    /// Signed as well, so that nothing else that is ever signed with the key can be taken for a ticket.
    private static let purpose = Data("longtake-ticket-1.".utf8)

    public init(_ keys: [SigningKey] = []) { replace(with: keys) }

    /// From now on the newest of these signs, and what any of them has signed is known.
    public func replace(with signing: [SigningKey]) {
        var new = Keys()
        for key in signing.sorted(by: { $0.createdAt < $1.createdAt }) {
            let secret = SymmetricKey(data: key.secret.data)
            new.all[key.id] = secret
            new.newest = (key.id, secret)
        }
        keys.withLock { $0 = new }
    }

    /// Whether tickets that this key has signed are known.
    func holds(_ id: KeyID) -> Bool { keys.withLock { $0.all[id] != nil } }

    /// The id of the key that signs, what is signed, and the signature; the last two in base64 without padding (RFC 4648 §5). `nil` where there
    /// is no key.
    func sign(_ ticket: Ticket) throws -> String? {
        guard let newest = keys.withLock({ $0.newest }) else { return nil }
        let body = try JSONText.data(ticket)
        let code = HMAC<SHA256>.authenticationCode(for: Self.purpose + body, using: newest.key)
        return "\(newest.id).\(Base64URL.encode(body)).\(Base64URL.encode(Data(code)))"
    }

    /// What the text says; `nil` where no key of ours has signed it. Whether it is still valid is for the caller to see.
    func read(_ text: String) -> (ticket: Ticket, signer: KeyID)? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        // Nothing is made of the body before it is known to be ours.
        guard parts.count == 3, let id = KeyID(parts[0]), let key = keys.withLock({ $0.all[id] }),
            let body = Base64URL.decode(parts[1]), let code = Base64URL.decode(parts[2]),
            HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: Self.purpose + body, using: key)
        else { return nil }
        return (try? JSONText.decode(Ticket.self, fromUTF8: body)).map { ($0, id) }
    }
}

/// Base64 with the alphabet for addresses and without padding.
private enum Base64URL {
    static func encode(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    static func decode(_ text: Substring) -> Data? {
        // One spelling only: padding and the other alphabet are not it.
        guard !text.utf8.contains(where: { $0 == 0x2b || $0 == 0x2f || $0 == 0x3d }) else { return nil }
        let plain = text.replacing("-", with: "+").replacing("_", with: "/")
        return Data(base64Encoded: plain + String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4))
    }
}
