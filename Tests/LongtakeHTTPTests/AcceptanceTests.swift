import LongtakeCore
import NIOCore
import NIOHTTP1
import Testing

@testable import LongtakeHTTP

@Suite struct AcceptanceTests {
    private static let offered = ["text/event-stream", "application/x-ndjson", "application/json"]

    @Test(
        "the representation with the highest quality is chosen, the earlier of equals",
        arguments: [
            (nil, "text/event-stream"), ("", "text/event-stream"), ("*/*", "text/event-stream"),
            ("application/json", "application/json"), ("application/*", "application/x-ndjson"),
            ("text/html, */*;q=0.1", "text/event-stream"),
            ("application/json;q=0.5, application/x-ndjson;q=0.9", "application/x-ndjson"),
            ("text/event-stream;q=0, */*", "application/x-ndjson"), ("APPLICATION/JSON ; q=1", "application/json"),
            ("image/png", nil), ("nonsense", nil), ("text/event-stream;q=x", nil),
        ] as [(String?, String?)])
    func choose(header: String?, chosen: String?) {
        #expect(Acceptance(header).choose(from: Self.offered) == chosen)
    }

    @Test("only a header that names a type names it")
    func names() {
        #expect(Acceptance("text/event-stream").names("text/event-stream"))
        #expect(!Acceptance("*/*").names("text/event-stream"))
        #expect(!Acceptance(nil).names("text/event-stream"))
        #expect(!Acceptance("text/event-stream;q=0").names("text/event-stream"))
    }

    @Test("dates are as HTTP writes them")
    func dates() {
        #expect(HTTPDate.text(Timestamp(millisecondsSince1970: 784_111_777_000)) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.text(Timestamp(millisecondsSince1970: 0)) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(HTTPDate.text(Timestamp(millisecondsSince1970: 1_709_164_800_000)) == "Thu, 29 Feb 2024 00:00:00 GMT")
    }
}
