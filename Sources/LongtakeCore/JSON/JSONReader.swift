/// Parses untrusted JSON: exactly RFC 8259 in UTF-8, in time proportional to the number of bytes.
///
/// Foundation's decoder is not safe for untrusted JSON. It accepts more than RFC 8259: a comma
/// after the last member, UTF-16 and UTF-32. If two members have the same name, it keeps an
/// arbitrary one. Its time grows with the cube of the nesting: a debug build needed four seconds
/// for 800 bytes that were nested 400 deep. The daemon uses that decoder only for JSON that it
/// wrote itself.
package struct JSONReader {
    private let bytes: [UInt8]
    private var offset = 0

    package static func read(_ bytes: [UInt8]) throws(JSONParseError) -> JSONValue {
        guard String(validating: bytes, as: UTF8.self) != nil else { throw .notUTF8 }
        guard !bytes.starts(with: [0xef, 0xbb, 0xbf]) else { throw .byteOrderMark }
        var reader = JSONReader(bytes: bytes)
        let value = try reader.value(depth: 1)
        guard reader.next == nil else { throw .malformed(at: reader.offset) }
        return value
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    /// Skips white space and returns the byte after it, without consuming it; `nil` at the end.
    private var next: UInt8? {
        mutating get {
            while offset < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[offset]) { offset += 1 }
            return offset < bytes.count ? bytes[offset] : nil
        }
    }

    /// Skips white space, and consumes the byte after it if it is `byte`.
    /// - Returns: whether it was.
    private mutating func takes(_ byte: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: byte) else { return false }
        offset += 1
        return true
    }

    private mutating func expect(_ byte: Unicode.Scalar) throws(JSONParseError) {
        guard takes(byte) else { throw .malformed(at: offset) }
    }

    private mutating func value(depth: Int) throws(JSONParseError) -> JSONValue {
        guard let first = next else { throw .malformed(at: offset) }
        switch first {
        case UInt8(ascii: "{"): return .object(try members(depth))
        case UInt8(ascii: "["): return .array(try elements(depth))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        default: return try number()
        }
    }

    private mutating func members(_ depth: Int) throws(JSONParseError) -> [String: JSONValue] {
        guard depth <= Limits.jsonDepth else { throw .tooDeep }
        try expect("{")
        var members: [String: JSONValue] = [:]
        if takes("}") { return members }
        repeat {
            guard next == UInt8(ascii: "\"") else { throw .malformed(at: offset) }
            let name = try string()
            // Checked before the name is hashed or compared. Both take time that grows with the
            // square of the number of consecutive combining marks.
            guard name.utf8.count <= Limits.jsonNameBytes else { throw .nameTooLong(at: offset) }
            try expect(":")
            let value = try value(depth: depth + 1)
            // The meaning of a duplicate name is undefined (RFC 8259 §4), and a proxy may use the
            // other member. A dictionary also keeps only one of two names that are equivalent in
            // Unicode.
            if let known = members.index(forKey: name).map({ members.keys[$0] }) {
                throw known.utf8.elementsEqual(name.utf8) ? .duplicateName(name) : .equivalentNames(name)
            }
            members[name] = value
        } while takes(",")
        try expect("}")
        return members
    }

    private mutating func elements(_ depth: Int) throws(JSONParseError) -> [JSONValue] {
        guard depth <= Limits.jsonDepth else { throw .tooDeep }
        try expect("[")
        var elements: [JSONValue] = []
        if takes("]") { return elements }
        repeat { elements.append(try value(depth: depth + 1)) } while takes(",")
        try expect("]")
        return elements
    }

    private mutating func literal(_ word: StaticString, _ value: JSONValue) throws(JSONParseError) -> JSONValue {
        let expected = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
        guard bytes[offset...].starts(with: expected) else { throw .malformed(at: offset) }
        offset += expected.count
        return value
    }

    private mutating func string() throws(JSONParseError) -> String {
        offset += 1
        var text: [UInt8] = []
        while offset < bytes.count {
            let start = offset
            while offset < bytes.count, bytes[offset] >= 0x20, bytes[offset] != UInt8(ascii: "\""),
                bytes[offset] != UInt8(ascii: "\\")
            { offset += 1 }
            text += bytes[start..<offset]
            guard offset < bytes.count else { break }
            switch bytes[offset] {
            case UInt8(ascii: "\""):
                offset += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let scalar = escape().flatMap({ UTF8.encode($0) }) else { throw .malformed(at: offset) }
                text += scalar
            default: throw .malformed(at: offset)
            }
        }
        throw .malformed(at: offset)
    }

    /// Parses an escape sequence; `nil` if it is invalid, such as half of a surrogate pair.
    private mutating func escape() -> Unicode.Scalar? {
        guard offset + 1 < bytes.count else { return nil }
        let letter = bytes[offset + 1]
        guard letter == UInt8(ascii: "u") else {
            guard let scalar = Self.escapes[letter] else { return nil }
            offset += 2
            return scalar
        }
        guard let first = codeUnit() else { return nil }
        guard UTF16.isLeadSurrogate(first) else { return Unicode.Scalar(UInt32(first)) }
        guard offset + 1 < bytes.count, bytes[offset] == UInt8(ascii: "\\"), bytes[offset + 1] == UInt8(ascii: "u"),
            let second = codeUnit(), UTF16.isTrailSurrogate(second)
        else { return nil }
        return Unicode.Scalar(0x10000 + (UInt32(first) & 0x3ff) << 10 + UInt32(second) & 0x3ff)
    }

    private static let escapes: [UInt8: Unicode.Scalar] = [
        UInt8(ascii: "\""): "\"", UInt8(ascii: "\\"): "\\", UInt8(ascii: "/"): "/", UInt8(ascii: "b"): "\u{8}",
        UInt8(ascii: "f"): "\u{c}", UInt8(ascii: "n"): "\n", UInt8(ascii: "r"): "\r", UInt8(ascii: "t"): "\t",
    ]

    /// Parses `\u` and four hexadecimal digits.
    private mutating func codeUnit() -> UInt16? {
        let digits = bytes[offset...].dropFirst(2).prefix(4)
        guard digits.count == 4, digits.allSatisfy({ UnicodeScalar($0).properties.isASCIIHexDigit }) else { return nil }
        offset += 6
        return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
    }

    private mutating func number() throws(JSONParseError) -> JSONValue {
        let start = offset
        if offset < bytes.count, bytes[offset] == UInt8(ascii: "-") { offset += 1 }
        let first = offset
        let whole = digits()
        guard whole > 0, whole == 1 || bytes[first] != UInt8(ascii: "0") else { throw .malformed(at: start) }
        var isWhole = true
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") {
            (isWhole, offset) = (false, offset + 1)
            guard digits() > 0 else { throw .malformed(at: offset) }
        }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            (isWhole, offset) = (false, offset + 1)
            if offset < bytes.count, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(bytes[offset]) { offset += 1 }
            guard digits() > 0 else { throw .malformed(at: offset) }
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        if isWhole, let integer = Int64(text) { return .integer(integer) }
        guard let number = Double(text), number.isFinite else { throw .numberOutOfRange(at: start) }
        // `1.0` equals `1`.
        return Int64(exactly: number).map(JSONValue.integer) ?? .number(number)
    }

    /// Skips decimal digits.
    /// - Returns: how many there were.
    private mutating func digits() -> Int {
        let start = offset
        while offset < bytes.count, (0x30...0x39).contains(bytes[offset]) { offset += 1 }
        return offset - start
    }
}
