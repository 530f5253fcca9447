import Crypto
import FoundationEssentials
public import LongtakeCore

/// The public part of a key: twelve hexadecimal digits, by which lists, logs and limits know it.
public struct KeyID: Hashable, Sendable, CustomStringConvertible, Codable {
    public let description: String

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

/// A key as its owner sends it: `ltk_`, its id, `_` and 64 hexadecimal digits that nobody can guess.
///
/// What is stored is a hash without salt or rounds. Those make it dear to guess what people choose; this was drawn, of 2²⁵⁶.
public struct APIKey: Sendable {
    public let id: KeyID
    /// All of it: what is sent, and shown once.
    public let text: String

    private static let prefix = "ltk_"

    /// - Parameter random: draws 64 bits of chance that is good enough for secrets.
    public init(random: () -> UInt64) {
        id = KeyID(random: random())
        text = Self.prefix + id.description + "_" + (0..<4).map { _ in Self.hexadecimal(random()) }.joined()
    }

    /// `nil` for what cannot be a key.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "ltk", let id = KeyID(parts[1]), parts[2].utf8.count == 64,
            parts[2].utf8.allSatisfy(Self.isHexadecimal)
        else { return nil }
        self.id = id
        self.text = String(text)
    }

    /// SHA-256 of the text.
    var digest: SHA256Digest { SHA256.hash(data: Array(text.utf8)) }

    static func isHexadecimal(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) }

    static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// A key as it is stored: everything but the key.
public struct KeyRecord: Hashable, Sendable, Codable {
    public let id: KeyID
    public let tenant: TenantName
    public let rights: [Right]
    /// What it is for, in the words of whoever made it; may be empty.
    public let name: String
    /// SHA-256 of the key.
    public let hash: Bits256
    public let createdAt: Timestamp
    /// From then on it opens nothing; `nil` while it does.
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
