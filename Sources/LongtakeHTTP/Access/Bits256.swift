import Crypto
import FoundationEssentials

/// 256 bits: a hash, or a secret. In files they are base64 with padding (RFC 4648 §4), and anything else is refused when it is read.
public struct Bits256: Hashable, Sendable, Codable {
    let data: Data

    /// - Parameter data: 32 bytes.
    init?(_ data: Data) {
        guard data.count == 32 else { return nil }
        self.data = data
    }

    /// - Parameter random: draws 64 bits of chance that is good enough for secrets.
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
