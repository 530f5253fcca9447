/// One life of the database, drawn at random when it is created or restored.
///
/// It stands in front of every ``EventID``, so a cursor that was given out by another database is recognised instead of being
/// taken for one of ours.
public struct Epoch: Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32

    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Draws a new epoch.
    public static func random(using generator: inout some RandomNumberGenerator) -> Epoch {
        Epoch(rawValue: generator.next())
    }

    /// Reads exactly eight lower-case hexadecimal digits, the only spelling there is; anything else is `nil`.
    public init?(_ text: some StringProtocol) {
        let digits = text.utf8
        guard digits.count == 8, digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }),
            let value = UInt32(text, radix: 16)
        else { return nil }
        self.rawValue = value
    }

    public var description: String {
        let digits = String(rawValue, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
