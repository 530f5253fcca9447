/// Writes JSON in UTF-8 (RFC 8259), in the order of the calls.
///
/// It writes events and jobs, because Foundation's encoder does not keep the order of members. The
/// caller must close each container that it opens, and write one value after each name.
package struct JSONWriter {
    package private(set) var bytes: [UInt8] = []
    /// Whether the container already has a value, so that a comma must come before the next one.
    private var needsComma = false

    /// - Parameter capacity: the expected number of bytes. The buffer grows if the text is longer.
    package init(capacity: Int) { bytes.reserveCapacity(capacity) }

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    // MARK: Containers

    package mutating func beginObject() { open(UInt8(ascii: "{")) }
    package mutating func endObject() { close(UInt8(ascii: "}")) }
    package mutating func beginArray() { open(UInt8(ascii: "[")) }
    package mutating func endArray() { close(UInt8(ascii: "]")) }

    /// Writes the name of the next value. The name must not need escapes.
    package mutating func name(_ name: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        bytes.append(name)
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// Writes the name of the next value, with escapes if it needs them.
    package mutating func name(_ name: String) {
        separate()
        quote(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    // MARK: Values

    /// Writes a text that already is a JSON value.
    package mutating func value(json: String) {
        separate()
        bytes.append(json)
    }

    package mutating func value(_ text: String) {
        separate()
        quote(text)
    }

    package mutating func value(_ number: Int64) { value(json: String(number)) }

    package mutating func value(_ flag: Bool) { value(json: flag ? "true" : "false") }

    /// Writes the shortest decimal text that parses to the same number. A whole number gets no
    /// fraction.
    /// - Parameter number: must be finite.
    package mutating func value(_ number: Double) {
        value(json: Int64(exactly: number).map { String($0) } ?? String(number))
    }

    package mutating func null() { value(json: "null") }

    /// Writes any JSON value, with the members of its objects sorted by name.
    package mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let flag): self.value(flag)
        case .integer(let number): self.value(number)
        case .number(let number): self.value(number)
        case .string(let text): self.value(text)
        case .array(let elements):
            beginArray()
            for element in elements { self.value(element) }
            endArray()
        case .object(let members):
            beginObject()
            for (name, member) in members.sorted(by: { $0.key < $1.key }) {
                self.name(name)
                self.value(member)
            }
            endObject()
        }
    }

    // MARK: Members

    package mutating func member(_ name: StaticString, _ text: String) {
        self.name(name)
        value(text)
    }

    /// Writes a text; `null` if it is `nil`.
    package mutating func member(_ name: StaticString, orNull text: String?) {
        self.name(name)
        if let text { value(text) } else { null() }
    }

    package mutating func member(_ name: StaticString, _ number: Int64) {
        self.name(name)
        value(number)
    }

    package mutating func member(_ name: StaticString, _ number: Double) {
        self.name(name)
        value(number)
    }

    package mutating func member(_ name: StaticString, _ flag: Bool) {
        self.name(name)
        value(flag)
    }

    package mutating func member(_ name: StaticString, _ value: JSONValue) {
        self.name(name)
        self.value(value)
    }

    package mutating func member(_ name: StaticString, _ texts: [String]) {
        self.name(name)
        beginArray()
        for text in texts { value(text) }
        endArray()
    }

    // MARK: Bytes

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    /// Writes a string with the escapes of RFC 8259 §7 and of ``JSONLineBreaks``.
    private mutating func quote(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        let needsEscape = text.utf8.contains {
            $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") || JSONLineBreaks.mayBegin(with: $0)
        }
        if needsEscape {
            for scalar in text.unicodeScalars { escape(scalar) }
        } else {
            bytes.append(text)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "\"": bytes.append("\\\"" as StaticString)
        case "\\": bytes.append("\\\\" as StaticString)
        case "\n": bytes.append("\\n" as StaticString)
        case "\r": bytes.append("\\r" as StaticString)
        case "\t": bytes.append("\\t" as StaticString)
        case _ where scalar.value < 0x20:
            bytes.append((scalar.value < 0x10 ? "\\u000" : "\\u00") as StaticString)
            bytes.append(String(scalar.value, radix: 16))
        case _ where JSONLineBreaks.scalars.contains(scalar):
            bytes.append(JSONLineBreaks.escape(of: scalar))
        default: bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        }
    }
}

/// The characters U+0085, U+2028 and U+2029. JSON allows them unescaped in strings, but some
/// clients treat them as the end of a line, for example Python's `str.splitlines`.
///
/// The daemon sends JSON in lines: in server-sent events, NDJSON and log lines. So it escapes these
/// characters in all JSON that it writes.
package enum JSONLineBreaks {
    static let scalars: [Unicode.Scalar] = ["\u{85}", "\u{2028}", "\u{2029}"]

    /// Each character in UTF-8, with its escape.
    private static let encoded = scalars.map { (Array(UTF8.encode($0) ?? .init()), Array(escape(of: $0).utf8)) }

    static func escape(of scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }

    /// Whether the UTF-8 of one of these characters begins with this byte.
    static func mayBegin(with byte: UInt8) -> Bool { byte == 0xc2 || byte == 0xe2 }

    /// Escapes these characters in a JSON text. They occur only in strings, so this needs no
    /// parser.
    static func escaped<Bytes: RandomAccessCollection<UInt8> & RangeReplaceableCollection<UInt8>>(
        in json: Bytes
    ) -> Bytes {
        guard json.contains(where: mayBegin) else { return json }
        var result = Bytes()
        result.reserveCapacity(json.count + 16)
        var rest = json[...]
        while let byte = rest.first {
            if mayBegin(with: byte), let (raw, escape) = encoded.first(where: { rest.starts(with: $0.0) }) {
                result.append(contentsOf: escape)
                rest = rest.dropFirst(raw.count)
            } else {
                result.append(byte)
                rest = rest.dropFirst()
            }
        }
        return result
    }
}
