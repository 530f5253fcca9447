/// Text put together as UTF-8, for what is written hundreds of thousands of times a second: an event is encoded once in its life, but there
/// are many events.
extension [UInt8] {
    package mutating func append(_ text: String) { append(contentsOf: text.utf8) }

    package mutating func append(_ text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// A number that is not negative, in decimal digits.
    package mutating func append(decimal value: Int64) {
        let digits = value.digitCount
        append(value, digits: digits)
    }

    /// The lowest `digits` decimal digits, with zeros in front.
    package mutating func append(_ value: Int64, digits: Int) {
        let end = count + digits
        append(contentsOf: repeatElement(UInt8(ascii: "0"), count: digits))
        var (rest, place) = (value, end)
        for _ in 0..<digits {
            place -= 1
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            self[place] += UInt8(truncatingIfNeeded: digit)
            rest = quotient
        }
    }

    /// Eight lower-case hexadecimal digits.
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
    /// How many decimal digits it takes; of a number that is not negative.
    package var digitCount: Int {
        var (digits, rest) = (1, self)
        while rest >= 10 {
            rest /= 10
            digits += 1
        }
        return digits
    }
}
