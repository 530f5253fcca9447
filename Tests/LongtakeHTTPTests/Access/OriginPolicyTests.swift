import HTTPTypes
import LongtakeAPI
import NIOCore
import NIOHTTP1
import Testing

@testable import LongtakeHTTP

@Suite("requests of web pages")
struct OriginPolicyTests {
    private static let open = OriginPolicy(
        AccessConfiguration(hosts: ["longtake.example.org"], corsOrigins: ["https://app.example.org"]))
    private static let keyed = OriginPolicy(AccessConfiguration(mode: .keys, corsOrigins: ["https://app.example.org"]))

    private static func refusal(
        _ policy: OriginPolicy, _ fields: [(String, String)], uri: String = "/v1/jobs",
        from peer: SocketAddress? = nil
    ) -> String? {
        let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: uri, headers: HTTPHeaders(fields))
        let proxies = TrustedProxies(["192.0.2.0/24"]) ?? .none
        let forwarding = Forwarding(peer: peer, headers: head.headers, trusting: proxies)
        return policy.refusal(of: OriginPolicy.Source(head, forwarding))?.type.rawValue
    }

    @Test(
        "reach a daemon without keys only by its own names",
        arguments: [
            ("localhost", true), ("LOCALHOST:8080", true), ("127.0.0.1:8080", true), ("[::1]:8080", true),
            ("192.168.1.7", true), ("longtake.example.org", true), ("Longtake.Example.Org:443", true),
            ("evil.example.org", false), ("localhost.evil.example.org", false), ("127.0.0.1.evil.example.org", false),
            ("", false), ("[evil]", false), ("[::1]evil.example.org", false), ("[::1", false), ("localhost:x", false),
            ("localhost:80:80", false),
        ])
    func hosts(_ host: String, _ isKnown: Bool) {
        #expect(Self.refusal(Self.open, [("Host", host)]) == (isKnown ? nil : "unknown-host"))
        // A daemon with keys does not check names, because a rebound page has no key.
        #expect(Self.refusal(Self.keyed, [("Host", host)]) == nil)
    }

    @Test(
        "may have any Host if they are probes of a load balancer",
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
        "are refused by a daemon without keys if they come from another origin",
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
        "are recognised by Sec-Fetch-Site if Origin is missing; following a link is allowed",
        arguments: [
            ("cross-site", "no-cors", false), ("same-site", "no-cors", false), ("cross-site", "navigate", true),
            ("same-origin", "cors", true), ("none", "navigate", true),
        ])
    func sites(_ site: String, _ mode: String, _ isAllowed: Bool) {
        let fields = [("Host", "localhost"), ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode)]
        #expect(Self.refusal(Self.open, fields) == (isAllowed ? nil : "foreign-origin"))
    }

    @Test("are accepted from the origin of the public URL, whatever Host the proxy sends")
    func publicURL() throws {
        let url = try #require(PublicURL("https://Video.example.org/longtake/"))
        let policy = OriginPolicy(AccessConfiguration(publicURL: url))
        for host in ["127.0.0.1:8080", "video.example.org"] {
            #expect(Self.refusal(policy, [("Host", host), ("Origin", "https://video.example.org")]) == nil)
            #expect(
                Self.refusal(policy, [("Host", host), ("Origin", "https://evil.example.org")]) == "foreign-origin")
        }
        #expect(Self.refusal(policy, [("Host", "evil.example.org")]) == "unknown-host")
    }

    @Test("are compared with X-Forwarded-Host behind a trusted proxy; other peers' header is ignored")
    func forwardedHost() throws {
        let proxy = try SocketAddress(ipAddress: "192.0.2.7", port: 1_000)
        let stranger = try SocketAddress(ipAddress: "198.51.100.7", port: 1_000)
        func fields(_ host: String, _ origin: String) -> [(String, String)] {
            [("Host", "127.0.0.1:8080"), ("X-Forwarded-Host", host), ("Origin", origin)]
        }
        let own = fields("longtake.example.org", "https://longtake.example.org")
        #expect(Self.refusal(Self.open, own, from: proxy) == nil)
        #expect(Self.refusal(Self.open, own, from: stranger) == "foreign-origin")
        // A page whose name resolves to the proxy is not a page of the daemon.
        let rebound = fields("evil.example.org", "https://evil.example.org")
        #expect(Self.refusal(Self.open, rebound, from: proxy) == "unknown-host")
        // A page whose name resolves to the daemon, on a trusted machine, can set this header but
        // not `Host`.
        let local = [
            ("Host", "evil.example.org:8080"), ("X-Forwarded-Host", "127.0.0.1"),
            ("Origin", "http://evil.example.org:8080"),
        ]
        #expect(Self.refusal(Self.open, local, from: proxy) == "unknown-host")
    }

    @Test("get CORS headers if their origin is allowed; each occurs once, and Vary keeps its other names")
    func cors() {
        func headers(_ policy: OriginPolicy, _ origin: String?, _ before: HTTPFields = [:]) -> HTTPFields {
            var headers = before
            policy.addHeaders(to: &headers, for: origin)
            return headers
        }
        let allowed = headers(Self.keyed, "https://app.example.org", [.vary: "Accept"])
        #expect(allowed[values: .accessControlAllowOrigin] == ["https://app.example.org"])
        #expect(allowed[values: .vary] == ["Accept, Origin"])
        #expect(headers(Self.keyed, "https://app.example.org", allowed) == allowed)
        for name in [
            "Location", "ETag", "Retry-After", "Link", "Idempotent-Replayed", "Preference-Applied", "X-Request-Id",
        ] {
            #expect(allowed[.accessControlExposeHeaders]?.contains(name) == true, "\(name)")
        }
        let other = headers(Self.keyed, "https://evil.example.org")
        #expect(other[.accessControlAllowOrigin] == nil)
        #expect(other[.vary] == "Origin")
        let all = OriginPolicy(AccessConfiguration(mode: .keys, corsOrigins: ["*"]))
        #expect(headers(all, "https://evil.example.org")[.accessControlAllowOrigin] == "*")
        #expect(headers(OriginPolicy(AccessConfiguration(mode: .keys)), "https://a.example.org").isEmpty)
    }

    @Test("get a response to their preflight if their origin is allowed")
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

@Suite("allowed hosts")
struct AllowedHostsTests {
    @Test(
        "an entry is a host name, `*.` and a host name, or `*`",
        arguments: [
            ("longtake.example.org", true), ("LONGTAKE", true), ("a_b.internal", true), ("*.example.org", true),
            ("*.localhost", true), ("*", true), ("127.0.0.1", true),
            ("", false), ("*.", false), ("**", false), ("*example.org", false), ("a.*.example.org", false),
            ("*.*.example.org", false), ("example.org:8080", false), ("*.example.org:8080", false),
            ("example.org.", false), (".example.org", false), ("a..b", false), ("-a.example.org", false),
            ("a-.example.org", false), ("http://example.org", false), ("example.org/", false), ("a b", false),
            ("münchen.example.org", false), ("[::1]", false), ("null", true),
            (String(repeating: "a", count: 64) + ".org", false),
            (String(repeating: "a.", count: 127) + "aa", false),
        ])
    func entries(_ entry: String, _ isEntry: Bool) {
        #expect(AllowedHosts.isEntry(entry) == isEntry)
    }

    @Test(
        "`*.x` allows every name below x, with or without a port, but not x",
        arguments: [
            ("a.example.org", true), ("a.b.example.org", true), ("A.Example.ORG", true), ("a.example.org:8080", true),
            ("a.example.org:", true),
            ("example.org", false), ("example.org:8080", false), (".example.org", false), ("..example.org", false),
            ("a..example.org", false), ("aexample.org", false), ("a.example.org.evil.org", false),
            ("evil.org/a.example.org", false), ("evil.org:a.example.org", false), ("[::1].example.org", false),
            ("a.example.org:80:80", false), ("-.example.org", false), ("*.example.org", false),
            ("other.org", false),
        ])
    func wildcard(_ host: String, _ isAllowed: Bool) {
        #expect(AllowedHosts(["*.Example.org"]).contains(host) == isAllowed)
    }

    @Test("`*` does not allow every name, because only a daemon that does not check Host may have that entry")
    func everything() {
        let hosts = AllowedHosts(["*"])
        #expect(!hosts.contains("evil.example.org"))
        #expect(!hosts.contains("*"))
        #expect(hosts.contains("localhost"))
    }
}
