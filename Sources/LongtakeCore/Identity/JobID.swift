/// The public name of a job: `job_` and 26 characters, time-ordered and unguessable. Opaque to clients.
///
/// The 26 characters are a ULID (48 bits of milliseconds, 80 random bits) in lower-case Crockford base 32.
public struct JobID: Hashable, Sendable, Codable, CustomStringConvertible {
    public let description: String

    /// Accepts a well-formed id; anything else is `nil`, and so names no job.
    public init?(_ text: some StringProtocol) {
        let bytes = text.utf8
        guard bytes.count == 30, text.hasPrefix("job_"), bytes.dropFirst(4).allSatisfy(Self.alphabet.contains) else {
            return nil
        }
        description = String(text)
    }

    /// Draws the id of a job that is submitted at `time`.
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
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not the id of a job")
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
