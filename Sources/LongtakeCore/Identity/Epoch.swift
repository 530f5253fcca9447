/// Identifies one history of the database. It is random, and a restore generates a new one.
///
/// Every ``EventID`` begins with the epoch. So the daemon recognizes a cursor of another database.
public struct Epoch: Hashable, Sendable, CustomStringConvertible {
    public let rawValue: UInt32

    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Generates a new epoch.
    public static func random(using generator: inout some RandomNumberGenerator) -> Epoch {
        Epoch(rawValue: generator.next())
    }

    /// Parses exactly eight lower-case hexadecimal digits. Any other text is `nil`.
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
