/// Reads what a stranger sent as JSON: exactly RFC 8259 in UTF-8, in time proportional to its bytes.
///
/// Foundation's decoder takes more than that (a comma behind the last member, UTF-16 and UTF-32), keeps one of two members of the same name
/// and does not say which, and its time grows with the cube of the nesting: 800 bytes, 400 deep, took a debug build four seconds. It stays for what the
/// daemon wrote itself.
package struct JSONReader {
    private let bytes: [UInt8]
    private var place = 0

    package static func read(_ bytes: [UInt8]) throws(JSONFault) -> JSONValue {
        guard String(validating: bytes, as: UTF8.self) != nil else { throw .notUTF8 }
        guard !bytes.starts(with: [0xef, 0xbb, 0xbf]) else { throw .byteOrderMark }
        var reader = JSONReader(bytes: bytes)
        let value = try reader.value(depth: 1)
        guard reader.next == nil else { throw .malformed(at: reader.place) }
        return value
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// The byte behind any white space, left where it is; `nil` at the end.
    private var next: UInt8? {
        mutating get {
            while place < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[place]) { place += 1 }
            return place < bytes.count ? bytes[place] : nil
        }
    }

    /// Takes the byte behind any white space where it is this one.
    private mutating func takes(_ byte: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: byte) else { return false }
        place += 1
        return true
    }

    private mutating func expect(_ byte: Unicode.Scalar) throws(JSONFault) {
        guard takes(byte) else { throw .malformed(at: place) }
    }

    private mutating func value(depth: Int) throws(JSONFault) -> JSONValue {
        guard let first = next else { throw .malformed(at: place) }
        switch first {
        case UInt8(ascii: "{"): return .object(try members(depth))
        case UInt8(ascii: "["): return .array(try elements(depth))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func members(_ depth: Int) throws(JSONFault) -> [String: JSONValue] {
        guard depth <= Limits.jsonDepth else { throw .tooDeep }
        try expect("{")
        var members: [String: JSONValue] = [:]
        if takes("}") { return members }
        repeat {
            guard next == UInt8(ascii: "\"") else { throw .malformed(at: place) }
            let name = try string()
            // Before anything hashes or compares it: that takes the square of a run of combining marks.
            guard name.utf8.count <= Limits.jsonNameBytes else { throw .longName(at: place) }
            try expect(":")
            let value = try value(depth: depth + 1)
            // What a repeated name means is unpredictable (RFC 8259 §4), and so is what a proxy in front took it for. A dictionary
            // holds one of two that are the same text in other bytes.
            if let known = members.index(forKey: name).map({ members.keys[$0] }) {
                throw known.utf8.elementsEqual(name.utf8) ? .repeated(name) : .equivalent(name)
            }
            members[name] = value
        } while takes(",")
        try expect("}")
        return members
    }

    private mutating func elements(_ depth: Int) throws(JSONFault) -> [JSONValue] {
        guard depth <= Limits.jsonDepth else { throw .tooDeep }
        try expect("[")
        var elements: [JSONValue] = []
        if takes("]") { return elements }
        repeat { elements.append(try value(depth: depth + 1)) } while takes(",")
        try expect("]")
        return elements
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(JSONFault) -> JSONValue {
        let expected = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard bytes[place...].starts(with: expected) else { throw .malformed(at: place) }
        place += expected.count
        return value
    }

    private mutating func string() throws(JSONFault) -> String {
        place += 1
        var text: [UInt8] = []
        while place < bytes.count {
            let start = place
            while place < bytes.count, bytes[place] >= 0x20, bytes[place] != UInt8(ascii: "\""),
                bytes[place] != UInt8(ascii: "\\")
            { place += 1 }
            text += bytes[start..<place]
            guard place < bytes.count else { break }
            switch bytes[place] {
            case UInt8(ascii: "\""):
                place += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let scalar = escaped().flatMap({ UTF8.encode($0) }) else { throw .malformed(at: place) }
                text += scalar
            default: throw .malformed(at: place)
            }
        }
        throw .malformed(at: place)
    }

    /// The character of an escape; `nil` where there is none such, as for half of a pair of surrogates.
    private mutating func escaped() -> Unicode.Scalar? {
        guard place + 1 < bytes.count else { return nil }
        let letter = bytes[place + 1]
        guard letter == UInt8(ascii: "u") else {
            guard let scalar = Self.escapes[letter] else { return nil }
            place += 2
            return scalar
        }
        guard let first = codeUnit() else { return nil }
        guard UTF16.isLeadSurrogate(first) else { return Unicode.Scalar(UInt32(first)) }
        guard place + 1 < bytes.count, bytes[place] == UInt8(ascii: "\\"), bytes[place + 1] == UInt8(ascii: "u"),
            let second = codeUnit(), UTF16.isTrailSurrogate(second)
        else { return nil }
        return Unicode.Scalar(0x10000 + (UInt32(first) & 0x3ff) << 10 + UInt32(second) & 0x3ff)
    }

    private static let escapes: [UInt8: Unicode.Scalar] = [
        UInt8(ascii: "\""): "\"", UInt8(ascii: "\\"): "\\", UInt8(ascii: "/"): "/", UInt8(ascii: "b"): "\u{8}",
        UInt8(ascii: "f"): "\u{c}", UInt8(ascii: "n"): "\n", UInt8(ascii: "r"): "\r", UInt8(ascii: "t"): "\t",
    ]

    /// The four digits behind `\u`.
    private mutating func codeUnit() -> UInt16? {
        let digits = bytes[place...].dropFirst(2).prefix(4)
        guard digits.count == 4, digits.allSatisfy({ UnicodeScalar($0).properties.isASCIIHexDigit }) else { return nil }
        place += 6
        return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
    }

    private mutating func number() throws(JSONFault) -> JSONValue {
        let start = place
        if place < bytes.count, bytes[place] == UInt8(ascii: "-") { place += 1 }
        let first = place
        let whole = digits()
        guard whole > 0, whole == 1 || bytes[first] != UInt8(ascii: "0") else { throw .malformed(at: start) }
        var isWhole = true
        if place < bytes.count, bytes[place] == UInt8(ascii: ".") {
            (isWhole, place) = (false, place + 1)
            guard digits() > 0 else { throw .malformed(at: place) }
        }
        if place < bytes.count, bytes[place] | 0x20 == UInt8(ascii: "e") {
            (isWhole, place) = (false, place + 1)
            if place < bytes.count, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(bytes[place]) { place += 1 }
            guard digits() > 0 else { throw .malformed(at: place) }
        }
        let text = String(decoding: bytes[start..<place], as: UTF8.self)
        if isWhole, let integer = Int64(text) { return .integer(integer) }
        guard let number = Double(text), number.isFinite else { throw .outOfRange(at: start) }
        // `1.0` is the number that `1` is.
        return Int64(exactly: number).map(JSONValue.integer) ?? .number(number)
    }

    /// How many digits there are from here.
    private mutating func digits() -> Int {
        let start = place
        while place < bytes.count, (0x30...0x39).contains(bytes[place]) { place += 1 }
        return place - start
    }
}
