import HTTPTypes
import NIOHTTP1
import Testing

@testable import LongtakeHTTP

@Suite("web pages")
struct OriginPolicyTests {
    private static let open = OriginPolicy(
        AccessConfiguration(hosts: ["longtake.example.org"], corsOrigins: ["https://app.example.org"]))
    private static let keyed = OriginPolicy(AccessConfiguration(mode: .keys, corsOrigins: ["https://app.example.org"]))

    private static func refusal(
        _ policy: OriginPolicy, _ fields: [(String, String)], uri: String = "/v1/jobs"
    ) -> String? {
        let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: uri, headers: HTTPHeaders(fields))
        return policy.refusal(of: OriginPolicy.Sender(head))?.kind
    }

    @Test(
        "reach a daemon without keys by names that it goes by only",
        arguments: [
            ("localhost", true), ("LOCALHOST:8080", true), ("127.0.0.1:8080", true), ("[::1]:8080", true),
            ("192.168.1.7", true), ("longtake.example.org", true), ("Longtake.Example.Org:443", true),
            ("evil.example.org", false), ("localhost.evil.example.org", false), ("127.0.0.1.evil.example.org", false),
            ("", false), ("[evil]", false), ("[::1]evil.example.org", false), ("[::1", false), ("localhost:x", false),
            ("localhost:80:80", false),
        ])
    func hosts(_ host: String, _ isKnown: Bool) {
        #expect(Self.refusal(Self.open, [("Host", host)]) == (isKnown ? nil : "unknown-host"))
        // Who has to show a key cannot be led anywhere by a name.
        #expect(Self.refusal(Self.keyed, [("Host", host)]) == nil)
    }

    @Test(
        "answers a probe of a load balancer whatever its Host is, and no other route",
        arguments: [
            ("/healthz", true), ("/readyz", true), ("/healthz?from=balancer", true), ("/healthz/", false),
            ("/healthz/../v1/jobs", false), ("//healthz", false), ("/%68ealthz", false), ("/metrics", false),
            ("/v1/jobs?/healthz", false), ("", false), ("*", false),
        ])
    func probes(_ uri: String, _ isAnswered: Bool) {
        let host = [("Host", "balancer.example.org")]
        #expect(Self.refusal(Self.open, host, uri: uri) == (isAnswered ? nil : "unknown-host"))
        let page = host + [("Origin", "https://evil.example.org")]
        #expect(Self.refusal(Self.open, page, uri: uri) == (isAnswered ? "foreign-origin" : "unknown-host"))
    }

    @Test(
        "of other origins do nothing on a daemon without keys",
        arguments: [
            ("http://localhost:8080", true), ("https://localhost:8080", true), ("https://app.example.org", true),
            ("http://localhost:3000", false), ("https://evil.example.org", false), ("null", false), ("", false),
            ("https://app.example.org.evil.example.org", false), ("file://", false),
        ])
    func origins(_ origin: String, _ isAllowed: Bool) {
        let fields = [("Host", "localhost:8080"), ("Origin", origin)]
        #expect(Self.refusal(Self.open, fields) == (isAllowed ? nil : "foreign-origin"))
        #expect(Self.refusal(Self.keyed, fields) == nil)
    }

    @Test(
        "that leave Origin out are known by Sec-Fetch-Site; a link that is followed is let through",
        arguments: [
            ("cross-site", "no-cors", false), ("same-site", "no-cors", false), ("cross-site", "navigate", true),
            ("same-origin", "cors", true), ("none", "navigate", true),
        ])
    func sites(_ site: String, _ mode: String, _ isAllowed: Bool) {
        let fields = [("Host", "localhost"), ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode)]
        #expect(Self.refusal(Self.open, fields) == (isAllowed ? nil : "foreign-origin"))
    }

    @Test("read answers where their origin is allowed, and caches are told that it matters")
    func cors() {
        let allowed = Self.keyed.headers(for: "https://app.example.org")
        #expect(allowed[.accessControlAllowOrigin] == "https://app.example.org")
        #expect(allowed[.vary] == "Origin")
        let other = Self.keyed.headers(for: "https://evil.example.org")
        #expect(other[.accessControlAllowOrigin] == nil)
        #expect(other[.vary] == "Origin")
        let all = OriginPolicy(AccessConfiguration(mode: .keys, corsOrigins: ["*"]))
        #expect(all.headers(for: "https://evil.example.org")[.accessControlAllowOrigin] == "*")
        #expect(OriginPolicy(AccessConfiguration(mode: .keys)).headers(for: "https://a.example.org").isEmpty)
    }

    @Test("ask beforehand, and are told what they may send")
    func preflight() {
        func ask(_ origin: String) -> Bool {
            let head = HTTPRequestHead(
                version: .http1_1, method: .OPTIONS, uri: "/v1/jobs",
                headers: ["Origin": origin, "Access-Control-Request-Method": "POST"])
            return Self.keyed.preflight(head) != nil
        }
        #expect(ask("https://app.example.org"))
        #expect(!ask("https://evil.example.org"))
    }
}
