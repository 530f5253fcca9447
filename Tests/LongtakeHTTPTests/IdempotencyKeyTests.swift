import HTTPTypes
import Testing

@testable import LongtakeHTTP

@Suite("Idempotency-Key") struct IdempotencyKeyTests {
    private static func key(_ fields: String...) throws -> String? { try IdempotencyKey.read(fields) }

    @Test(
        "is the same key bare and as a quoted string (RFC 8941 §3.3.3)",
        arguments: [
            ("K", "K"), (#""K""#, "K"),
            (#""8e03978e-40d5-43dd-bc93-6894a57f9324""#, "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            (#""a b""#, "a b"), ("a b", "a b"), (#""a\"b""#, #"a"b"#), (#""a\\b""#, #"a\b"#), (#"a"b"#, #"a"b"#),
            (#"a\b"#, #"a\b"#),
            (#""K";v=1"#, "K"), (#"  "K"  "#, "K"),
        ])
    func forms(field: String, expected: String) throws {
        #expect(try Self.key(field) == expected)
    }

    @Test("has 1 to 255 characters, without the quotes and escapes around them")
    func length() throws {
        let longest = String(repeating: "k", count: 255)
        #expect(try Self.key(longest) == longest)
        #expect(try Self.key("\"\(longest)\"") == longest)
        let quotes = String(repeating: #"\""#, count: 255)
        #expect(try Self.key("\"\(quotes)\"")?.utf8.count == 255)
        for field in ["", "\"\"", longest + "k", "\"\(longest)k\""] { Self.refuses(field) }
    }

    @Test(
        "is refused with 400 when it is malformed",
        arguments: [#"""#, #""a"#, #""a"b"#, #""a\n""#, #""a\""#, "ä", #""ä""#, "a\tb"])
    func malformed(field: String) { Self.refuses(field) }

    @Test("is refused when there are several, and may be missing")
    func number() throws {
        #expect(try Self.key() == nil)
        let problem = #expect(throws: Problem.self) { try Self.key("a", "b") }
        #expect(problem?.status.code == 400)
    }

    private static func refuses(_ field: String) {
        let problem = #expect(throws: Problem.self, "\(field)") { try key(field) }
        #expect(problem?.status.code == 400)
    }
}
