/// The completed part of some work: 0 to 1 with four decimals. So it is short in JSON, and every
/// reader gets the same number.
public struct Progress: Hashable, Comparable, Sendable, Codable {
    public let value: Double

    public static let none = Progress(0)
    public static let complete = Progress(1)
    /// The largest progress before the end.
    public static let almostComplete = Progress(0.9999)

    /// Clamps a number to 0…1 and rounds it down to four decimals. NaN becomes 0.
    public init(_ share: Double) {
        guard share > 0 else {
            value = 0
            return
        }
        value = share >= 1 ? 1 : (share * 10_000 + 1e-6).rounded(.down) / 10_000
    }

    /// Decodes a number and rounds it like ``init(_:)``.
    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(Double.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }

    public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}
