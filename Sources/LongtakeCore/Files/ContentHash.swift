/// The SHA-256 of some content (FIPS 180-4), which identifies it. Written as 64 lower-case hex
/// digits.
public struct ContentHash: Hashable, Sendable, Codable, CustomStringConvertible {
    /// 64 lower-case hex digits.
    public let hex: String

    /// - Returns: `nil` if the text is not 64 lower-case hex digits.
    public init?(hex: some StringProtocol) {
        guard hex.utf8.count == 64, hex.utf8.allSatisfy(Self.isHexDigit) else { return nil }
        self.hex = String(hex)
    }

    /// - Parameter bytes: the 32 bytes of the digest.
    public init(bytes: some Sequence<UInt8>) {
        let digits = Array("0123456789abcdef".utf8)
        hex = String(
            decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
        assert(hex.utf8.count == 64, "a SHA-256 has 32 bytes")
    }

    /// The 32 bytes of the digest.
    public var bytes: [UInt8] {
        let digits = Array(hex.utf8).map { $0 < 0x3a ? $0 - 0x30 : $0 - 0x57 }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let hash = ContentHash(hex: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "must be 64 lower-case hex digits")
        }
        self = hash
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }

    public var description: String { hex }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
    }
}

/// The id of an uploaded file: `sha-256:` and the hash of its content. It is valid for one tenant.
public struct FileID: Hashable, Sendable, Codable, CustomStringConvertible {
    public let hash: ContentHash

    private static let prefix = "sha-256:"

    public init(_ hash: ContentHash) { self.hash = hash }

    /// - Returns: `nil` if the text is not the id of a file.
    public init?(_ text: some StringProtocol) {
        guard text.hasPrefix(Self.prefix), let hash = ContentHash(hex: text.dropFirst(Self.prefix.count)) else {
            return nil
        }
        self.hash = hash
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = FileID(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "must be sha-256: and 64 lower-case hex digits")
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    public var description: String { Self.prefix + hash.hex }
}

/// Some bytes, by their hash.
public struct Content: Hashable, Sendable, Codable {
    public let hash: ContentHash
    /// The number of bytes.
    public let bytes: Int64

    public init(hash: ContentHash, bytes: Int64) {
        self.hash = hash
        self.bytes = bytes
    }

    enum CodingKeys: String, CodingKey {
        case bytes
        case hash = "sha256"
    }
}

/// The place of some content in a ``FileStore``. Tenants share nothing: the same content of two
/// tenants is stored twice.
public struct ContentKey: Hashable, Sendable {
    public let tenant: TenantName
    public let hash: ContentHash

    public init(tenant: TenantName, hash: ContentHash) {
        self.tenant = tenant
        self.hash = hash
    }
}
