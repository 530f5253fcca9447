import Crypto
import FoundationEssentials
public import LongtakeCore
import Synchronization

/// The public part of an API key: 12 hexadecimal digits. Lists, log lines and limits name a key by
/// its id.
public struct KeyID: Hashable, Sendable, CustomStringConvertible, Codable {
    public let description: String

    /// - Returns: `nil` unless the text has exactly 12 lower-case hexadecimal digits.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 12, text.utf8.allSatisfy(APIKey.isHexadecimal) else { return nil }
        description = String(text)
    }

    init(random: UInt64) { description = String(APIKey.hexadecimal(random).suffix(12)) }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = KeyID(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "a key's id has 12 hexadecimal digits")
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// An API key as the client sends it: `ltk_`, the id, `_` and 64 random hexadecimal digits.
///
/// The daemon stores a plain SHA-256 hash, without salt or rounds. Salt and rounds slow down the
/// guessing of passwords; nobody can guess one of 2²⁵⁶ random keys.
public struct APIKey: Sendable {
    public let id: KeyID
    /// The whole key, which the client sends and which the daemon shows once.
    public let text: String

    private static let prefix = "ltk_"

    /// Creates a new key.
    /// - Parameter random: draws 64 bits from a cryptographically secure source.
    public init(random: () -> UInt64) {
        id = KeyID(random: random())
        text = Self.prefix + id.description + "_" + (0..<4).map { _ in Self.hexadecimal(random()) }.joined()
    }

    /// Parses a key.
    /// - Returns: `nil` if the text does not have the form of a key.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "ltk", let id = KeyID(parts[1]), parts[2].utf8.count == 64,
            parts[2].utf8.allSatisfy(Self.isHexadecimal)
        else { return nil }
        self.id = id
        self.text = String(text)
    }

    /// The SHA-256 hash of the text.
    var digest: SHA256Digest { SHA256.hash(data: Array(text.utf8)) }

    static func isHexadecimal(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) }

    static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// What the daemon stores about an API key. The key itself is not part of it.
public struct KeyRecord: Hashable, Sendable, Codable {
    public let id: KeyID
    public let tenant: TenantName
    public let rights: [Right]
    /// A note by the person who created the key; may be empty.
    public let name: String
    /// The SHA-256 hash of the key.
    public let hash: Bits256
    public let createdAt: Timestamp
    /// When the key was revoked; `nil` while it is valid.
    public var revokedAt: Timestamp?

    private enum CodingKeys: String, CodingKey {
        case id, tenant, rights, name, hash
        case createdAt = "created_at"
        case revokedAt = "revoked_at"
    }

    public init(_ key: APIKey, tenant: TenantName, rights: [Right], name: String, at time: Timestamp) {
        id = key.id
        self.tenant = tenant
        self.rights = rights
        self.name = name
        hash = Bits256(key.digest)
        createdAt = time
    }
}

/// The valid API keys, in memory, so that no request waits for a disk while it is authenticated.
public final class KeyRing: Sendable {
    private struct Entry {
        let hash: Bits256
        let caller: Caller
    }

    private let entries = Mutex<[KeyID: Entry]>([:])

    public init(_ records: [KeyRecord] = []) { replace(with: records) }

    /// Replaces all keys. Revoked records are left out. The next request already sees the new keys.
    public func replace(with records: [KeyRecord]) {
        var new: [KeyID: Entry] = [:]
        for record in records where record.revokedAt == nil {
            new[record.id] = Entry(
                hash: record.hash, caller: Caller(tenant: record.tenant, rights: Set(record.rights), key: record.id))
        }
        entries.withLock { $0 = new }
    }

    /// The number of valid keys.
    public var count: Int { entries.withLock { $0.count } }

    /// Whether the key with this id is valid.
    func contains(_ id: KeyID) -> Bool { entries.withLock { $0[id] != nil } }

    /// The owner of a key; `nil` if the key is not valid.
    ///
    /// The comparison takes the same time wherever the hashes differ, so its duration reveals
    /// nothing.
    func caller(with key: APIKey) -> Caller? {
        guard let entry = entries.withLock({ $0[key.id] }), key.digest == entry.hash.data else { return nil }
        return entry.caller
    }
}

/// 256 bits: a hash or a secret. Files hold it in base64 with padding (RFC 4648 §4). Decoding fails
/// for any other spelling.
public struct Bits256: Hashable, Sendable, Codable {
    let data: Data

    /// - Returns: `nil` unless `data` has 32 bytes.
    init?(_ data: Data) {
        guard data.count == 32 else { return nil }
        self.data = data
    }

    /// - Parameter random: draws 64 bits from a cryptographically secure source.
    init(random: () -> UInt64) {
        var bytes = Data()
        for _ in 0..<4 { withUnsafeBytes(of: random()) { bytes.append(contentsOf: $0) } }
        data = bytes
    }

    init(_ digest: SHA256Digest) { data = Data(digest) }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let bits = Data(base64Encoded: try container.decode(String.self)).flatMap(Bits256.init) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not 32 bytes in base64")
        }
        self = bits
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(data.base64EncodedString())
    }
}
