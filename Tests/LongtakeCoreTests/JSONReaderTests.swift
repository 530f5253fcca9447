import LongtakeCore
import LongtakeTesting
import Testing

/// Parsing untrusted JSON. The list of hostile inputs has more invalid texts, and why they are
/// rejected.
@Suite("parsing untrusted JSON") struct JSONReaderTests {
    private static func read(_ text: String) throws(JSONParseError) -> JSONValue {
        try JSONReader.read(Array(text.utf8))
    }

    @Test("a value of each kind is read")
    func kinds() throws {
        let text = "\t{ \"a\" : [ null , true,false,-0,1.0,1e2,1.5e-1,9223372036854775808] ,\r\n\"\":{}, \"b\":[]}\n"
        let expected = JSONValue.object([
            "a": .array([
                .null, .bool(true), .bool(false), .integer(0), .integer(1), .integer(100), .number(0.15),
                .number(9_223_372_036_854_775_808),
            ]),
            "": .object([:]), "b": .array([]),
        ])
        #expect(try Self.read(text) == expected)
        #expect(try Self.read(#""\"\\\/\b\f\n\r\t\u00e9\ud83d\uDE00é""#) == .string("\"\\/\u{8}\u{c}\n\r\té😀é"))
    }

    @Test("an invalid text is rejected with the reason and the offset")
    func errors() {
        let errors: [(String, JSONParseError)] = [
            ("", .malformed(at: 0)), ("[1,]", .malformed(at: 3)), ("{\"a\":1,}", .malformed(at: 7)),
            ("01", .malformed(at: 0)), ("\"\\ud800\"", .malformed(at: 7)), ("1 2", .malformed(at: 2)),
            ("[1e400]", .numberOutOfRange(at: 1)), (#"{"a":1,"\u0061":2}"#, .duplicateName("a")),
            (String(repeating: "[", count: Limits.jsonDepth + 1), .tooDeep),
            (String(repeating: "{\"a\":", count: Limits.jsonDepth + 1), .tooDeep),
        ]
        for (text, error) in errors {
            #expect(throws: error, "\(text)") { try Self.read(text) }
        }
        #expect(throws: JSONParseError.notUTF8) { try JSONReader.read([0x22, 0xff, 0x22]) }
        #expect(throws: JSONParseError.byteOrderMark) { try Self.read("\u{feff}{}") }
        #expect(throws: JSONParseError.byteOrderMark) { try Self.read("\u{feff}") }
        #expect(throws: JSONParseError.malformed(at: 1)) { try Self.read(" \u{feff}{}") }
        #expect(throws: Never.self) { try Self.read("\"\u{feff}\"") }
        let deepest = String(repeating: "[", count: Limits.jsonDepth) + String(repeating: "]", count: Limits.jsonDepth)
        #expect(throws: Never.self) { try Self.read(deepest) }
    }

    // This test failed when the reader accepted names of any length.
    @Test("a name that is longer than the limit is rejected before it becomes a key")
    func longNames() throws {
        let longest = String(repeating: "k", count: Limits.jsonNameBytes)
        #expect(try Self.read("{\"\(longest)\":1}") == .object([longest: .integer(1)]))
        #expect(throws: JSONParseError.nameTooLong(at: 260)) { try Self.read("{\"\(longest)k\":1}") }
        let marks = String(repeating: "\u{301}\u{316}", count: 15_000)
        #expect(throws: JSONParseError.nameTooLong(at: 60_004)) { try Self.read("{\"a\(marks)\":1}") }
    }

    // This test failed when the reader reported them as duplicate names.
    @Test("names with different bytes that are equivalent in Unicode are rejected as equivalent")
    func equivalentNames() {
        #expect(throws: JSONParseError.equivalentNames("e\u{301}")) { try Self.read("{\"\u{e9}\":1,\"e\u{301}\":2}") }
        #expect(throws: JSONParseError.duplicateName("e\u{301}")) { try Self.read("{\"e\u{301}\":1,\"e\\u0301\":2}") }
    }

    // Seen to fail where a pair of surrogates was put together without the 0x10000.
    @Test(
        "whatever is read, the decoder reads alike, and what is written is read again",
        arguments: 1...20 as ClosedRange<UInt64>)
    func alike(seed: UInt64) throws {
        var generator = Seeded(state: seed)
        for _ in 0..<500 {
            let text = Self.text(depth: 0, &generator)
            guard let value = try? Self.read(text) else { continue }
            #expect(try JSONText.decode(JSONValue.self, from: text) == value, "\(text)")
            #expect(try Self.read(JSONText.encode(value)) == value, "\(text)")
        }
    }

    /// Something like JSON, most of it right.
    private static func text(depth: Int, _ generator: inout Seeded) -> String {
        let words = [
            "null", "true", "false", "0", "-1", "1.5", "1e3", "-0.0", "1E-2", "01", "9223372036854775807", "\"\"",
            #""\ud83d\ude00""#, #""\/\u0041\n""#, "\"é\"", #""\ud800""#, "\"a b\"",
        ]
        switch depth > 3 ? 0 : Int.random(in: 0...3, using: &generator) {
        case 0, 1: return words[Int.random(in: 0..<words.count, using: &generator)]
        case 2:
            let parts = (0..<Int.random(in: 0...3, using: &generator)).map { _ in text(depth: depth + 1, &generator) }
            return "[" + parts.joined(separator: ", ") + "]"
        default:
            let parts = (0..<Int.random(in: 0...3, using: &generator)).map { index in
                "\"\(index)\\u0061\" :" + text(depth: depth + 1, &generator)
            }
            return "{" + parts.joined(separator: ",") + "}"
        }
    }
}
