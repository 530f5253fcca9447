/// Builds UTF-8 text in a byte array. The daemon encodes hundreds of thousands of events per
/// second, and this is faster than `String`.
extension [UInt8] {
    package mutating func append(_ text: String) { append(contentsOf: text.utf8) }

    package mutating func append(_ text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends a number in decimal digits.
    /// - Parameter value: at least 0.
    package mutating func append(decimal value: Int64) {
        let digits = value.digitCount
        append(value, digits: digits)
    }

    /// Appends the last `digits` decimal digits of a number, padded with zeros.
    package mutating func append(_ value: Int64, digits: Int) {
        let end = count + digits
        append(contentsOf: repeatElement(UInt8(ascii: "0"), count: digits))
        var (rest, index) = (value, end)
        for _ in 0..<digits {
            index -= 1
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            self[index] += UInt8(truncatingIfNeeded: digit)
            rest = quotient
        }
    }

    /// Appends an epoch as eight lower-case hexadecimal digits.
    package mutating func append(_ epoch: Epoch) {
        for shift in stride(from: UInt32(28), through: 0, by: -4) {
            let digit = UInt8(truncatingIfNeeded: epoch.rawValue >> shift & 15)
            append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit)
        }
    }

    package mutating func append(_ id: EventID) {
        append(id.epoch)
        append(UInt8(ascii: "-"))
        append(decimal: id.sequence.rawValue)
    }
}

extension Int64 {
    /// The number of its decimal digits. The number must be at least 0.
    package var digitCount: Int {
        var (digits, rest) = (1, self)
        while rest >= 10 {
            rest /= 10
            digits += 1
        }
        return digits
    }
}
