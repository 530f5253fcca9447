import HTTPTypes
import Testing

@testable import LongtakeHTTP

@Suite("Accept") struct AcceptHeaderTests {
    private static let offered = ["text/event-stream", "application/x-ndjson", "application/json"]

    @Test(
        "chooses the representation with the highest quality, and the first of equals",
        arguments: [
            (nil, "text/event-stream"), ("", "text/event-stream"), ("*/*", "text/event-stream"),
            ("application/json", "application/json"), ("application/*", "application/x-ndjson"),
            ("text/html, */*;q=0.1", "text/event-stream"),
            ("application/json;q=0.5, application/x-ndjson;q=0.9", "application/x-ndjson"),
            ("text/event-stream;q=0, */*", "application/x-ndjson"), ("APPLICATION/JSON ; q=1", "application/json"),
            ("image/png", nil), ("nonsense", nil), ("text/event-stream;q=x", nil),
        ] as [(String?, String?)])
    func choose(header: String?, chosen: String?) {
        #expect(AcceptHeader(header).choose(from: Self.offered) == chosen)
    }

    @Test("distinguishes a named type from a wildcard and from an absent header")
    func names() {
        #expect(AcceptHeader("text/event-stream").names("text/event-stream"))
        #expect(!AcceptHeader("*/*").names("text/event-stream"))
        #expect(!AcceptHeader(nil).names("text/event-stream"))
        #expect(!AcceptHeader("text/event-stream;q=0").names("text/event-stream"))
    }
}

@Suite("If-None-Match") struct IfNoneMatchTests {
    @Test(
        "parses the tags of RFC 9110 and ignores their weakness",
        arguments: [
            (nil, nil), ("", nil), ("  ", nil), ("*", .any), (#""a""#, .tags(["a"])), (#"W/"a""#, .tags(["a"])),
            (#" "a" , W/"b","c""#, .tags(["a", "b", "c"])), (#","a",,"#, .tags(["a"])), (#""a,b""#, .tags(["a,b"])),
            (#""""#, .tags([""])), (#""a\", "b""#, .tags([#"a\"#, "b"])),
        ] as [(String?, IfNoneMatch?)])
    func read(header: String?, tags: IfNoneMatch?) throws {
        #expect(try IfNoneMatch.parse(header) == tags)
    }

    @Test(
        "refuses malformed tags with 400",
        arguments: [
            "7f3a09c2-18", "\"a", "a\"", "w/\"a\"", "W/ \"a\"", "W/", "\"a\" \"b\"", "*, \"a\"", "\"a\", *", ",",
            "\"a b\"",
            "**",
        ])
    func refused(header: String) {
        let problem = #expect(throws: Problem.self) { try IfNoneMatch.parse(header) }
        #expect(problem?.status.code == 400)
    }
}

@Suite("Idempotency-Key") struct IdempotencyKeyTests {
    private static func key(_ fields: String...) throws -> String? { try IdempotencyKey.parse(fields) }

    @Test(
        "is the same key with and without quotes (RFC 8941 §3.3.3)",
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

    @Test("has 1 to 255 characters, not counting quotes and escapes")
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

    @Test("may be missing, and is refused when there are several")
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

@Suite("Prefer") struct PreferencesTests {
    @Test(
        "contains the wait among other preferences, in either form; the first one applies",
        arguments: [
            (nil, nil), ("", nil), ("respond-async", nil), ("wait=7", 7), ("Wait = 7", 7), ("wait=\"7\"", 7),
            ("respond-async, wait=7", 7), ("wait=7; x=1", 7), ("wait=7, wait=9", 7), ("wait=50", 50), ("wait=0", 0),
            ("note=\"a, wait=9\", wait=7", 7), ("note=\"a\\\", wait=9\", wait=7", 7), ("waiting=9", nil),
            (";;,=,", nil),
        ] as [(String?, Int?)])
    func wait(header: String?, seconds: Int?) {
        #expect(Preferences(header).wait == seconds.map { .seconds($0) })
        #expect(Preferences(header).applied == (seconds == nil ? "" : "wait"))
    }

    // RFC 7240 §2: a preference never makes a request fail.
    @Test(
        "caps a long wait, rounds a fraction down, and reports both in Preference-Applied",
        arguments: [
            ("wait=51", 50), ("wait=3600", 50), ("wait=99999999999999999999", 50), ("wait=1.5", 1), ("wait=0.9", 0),
            ("wait=\"70\"", 50), ("respond-async, wait=60", 50),
        ])
    func adjusted(header: String, seconds: Int) {
        #expect(Preferences(header).wait == .seconds(seconds))
        #expect(Preferences(header).applied == "wait=\(seconds)")
    }

    @Test(
        "ignores a wait that is not a number",
        arguments: [
            "wait", "wait=", "wait=-1", "wait=+1", "wait=x", "wait=\"\"", "wait=\"", "wait=7x", "wait=.5", "wait=5.",
            "wait=1.5.1", "wait=1e3",
        ])
    func ignored(header: String) {
        #expect(Preferences(header).wait == nil)
        #expect(Preferences(header).applied == "")
    }
}
