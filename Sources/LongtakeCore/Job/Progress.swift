/// A share of the work from 0 to 1, kept at four decimals so that it is short on the wire and the same number everywhere.
public struct Progress: Hashable, Comparable, Sendable, Codable {
    public let value: Double

    public static let none = Progress(0)
    public static let complete = Progress(1)
    /// The most that is shown before the end.
    public static let almostComplete = Progress(0.9999)

    /// Cuts to 0…1 and rounds down to four decimals; what is not a number counts as 0.
    public init(_ share: Double) {
        guard share > 0 else {
            value = 0
            return
        }
        value = share >= 1 ? 1 : (share * 10_000 + 1e-6).rounded(.down) / 10_000
    }

    /// From a number, which is cut as in ``init(_:)``.
    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(Double.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }

    public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}
