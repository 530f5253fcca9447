/// The id of a job: `job_` and a ULID in lower-case Crockford base 32. Opaque to clients.
///
/// A ULID has 26 characters: 48 bits of milliseconds, so that ids are ordered by time, and 80
/// random bits, so that nobody can guess an id.
public struct JobID: Hashable, Sendable, Codable, CustomStringConvertible {
    public let description: String

    /// Parses an id. Any other text is `nil`, so no job has it.
    public init?(_ text: some StringProtocol) {
        let bytes = text.utf8
        guard bytes.count == 30, text.hasPrefix("job_"), bytes.dropFirst(4).allSatisfy(Self.alphabet.contains) else {
            return nil
        }
        description = String(text)
    }

    /// Generates the id of a job that is submitted at `time`.
    public init(at time: Timestamp, using generator: inout some RandomNumberGenerator) {
        var text = "job_"
        for shift in stride(from: 45, through: 0, by: -5) {
            text.unicodeScalars.append(Self.digit(UInt64(time.millisecondsSince1970) >> UInt64(shift)))
        }
        for _ in 0..<2 {
            let bits: UInt64 = generator.next()
            for shift in stride(from: 35, through: 0, by: -5) {
                text.unicodeScalars.append(Self.digit(bits >> UInt64(shift)))
            }
        }
        description = text
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = JobID(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a valid job id")
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

    private static func digit(_ bits: UInt64) -> Unicode.Scalar {
        Unicode.Scalar(alphabet[Int(bits & 31)])
    }
}
