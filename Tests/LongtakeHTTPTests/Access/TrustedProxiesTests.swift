import NIOCore
import NIOHTTP1
import Testing

@testable import LongtakeHTTP

@Suite("requests behind a proxy") struct TrustedProxiesTests {
    private static let proxies = TrustedProxies(["10.0.0.0/8", "2001:db8::/32", "127.0.0.1", "unix"]) ?? .none

    private static func forwarding(_ peer: String, _ fields: [(String, String)] = []) throws -> Forwarding {
        let address =
            try peer == "unix" ? SocketAddress(unixDomainSocketPath: "/s") : SocketAddress(ipAddress: peer, port: 1)
        return Forwarding(peer: address, headers: HTTPHeaders(fields), trusting: proxies)
    }

    @Test(
        "have the address of the nearest hop that is not a trusted proxy",
        arguments: [
            ("127.0.0.1", nil, "127.0.0.1"), ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("127.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
            ("127.0.0.1", "203.0.113.9, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
            ("10.0.0.1", "10.1.1.1, 10.2.2.2", "10.1.1.1"), ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("2001:db8::5", "2001:db9::1", "2001:db9::1"), ("127.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
            ("127.0.0.1", "[2001:db9::1]:4711", "2001:db9::1"), ("127.0.0.1", "198.51.100.1, garbage", "127.0.0.1"),
            ("127.0.0.1", "evil\n, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("127.0.0.1", "x\u{600}, 198.51.100.1", "198.51.100.1"),
            ("unix", "198.51.100.1", "198.51.100.1"),
            ("unix", nil, "unix"), ("198.51.100.7", "203.0.113.9", "198.51.100.7"),
            ("::ffff:198.51.100.7", nil, "198.51.100.7"),
        ] as [(String, String?, String)])
    func client(peer: String, header: String?, expected: String) throws {
        let fields = header.map { [("X-Forwarded-For", $0)] } ?? []
        #expect(try Self.forwarding(peer, fields).client == expected)
    }

    @Test("have the host, scheme and request id of a trusted proxy; other peers cannot set them")
    func fields() throws {
        let fields = [
            ("X-Forwarded-Host", "evil.example.org, video.example.org"), ("X-Forwarded-Proto", "HTTPS"),
            ("X-Request-Id", "a.B_c-9"),
        ]
        let trusted = try Self.forwarding("10.9.9.9", fields)
        #expect(trusted.host == "video.example.org")
        #expect(trusted.scheme == "https")
        #expect(trusted.requestID == "a.B_c-9")
        let stranger = try Self.forwarding("198.51.100.7", fields)
        #expect(stranger.host == nil && stranger.scheme == nil && stranger.requestID == nil)
        #expect(try Self.forwarding("10.9.9.9", [("X-Forwarded-Proto", "javascript")]).scheme == nil)
    }

    @Test(
        "keep a request id only if it has 1 to 64 letters, digits, dots, underscores and dashes",
        arguments: [
            ("a", true), (String(repeating: "a", count: 64), true), (String(repeating: "a", count: 65), false),
            ("", false),
            ("a b", false), ("ä", false), ("a\"b", false), ("a/b", false), ("@", false), ("[", false), ("`", false),
        ])
    func requestID(text: String, isKept: Bool) throws {
        #expect(try Self.forwarding("10.0.0.1", [("X-Request-Id", text)]).requestID == (isKept ? text : nil))
    }

    @Test(
        "may come from an address, a network or unix; the setting refuses everything else",
        arguments: [
            ("10.0.0.0/8", true), ("10.0.0.1", true), ("::1", true), ("2001:db8::/33", true), ("unix", true),
            ("0.0.0.0/0", true), ("10.0.0.0/33", false), ("10.0.0.0/", false), ("10.0.0.0/-1", false),
            ("10.0.0", false), ("example.org", false), ("", false), ("[::1]", false), ("::1/129", false),
        ])
    func setting(item: String, isAllowed: Bool) {
        #expect((TrustedProxies([item]) != nil) == isAllowed)
    }

    @Test(
        "belong to a network if the leading bits match",
        arguments: [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("10.0.0.64/26", "10.0.0.127", true),
            ("10.0.0.64/26", "10.0.0.128", false), ("0.0.0.0/0", "198.51.100.1", true), ("0.0.0.0/0", "::1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true), ("2001:db8::/33", "2001:db8:8000::1", false),
        ])
    func network(network: String, address: String, isIn: Bool) throws {
        let network = try #require(IPNetwork(network))
        #expect(network.contains(try #require(IPAddress(address))) == isIn)
    }

    @Test(
        "use a public URL with http or https, without query and fragment",
        arguments: [
            ("https://video.example.org", "https://video.example.org", "https://video.example.org"),
            ("https://Video.Example.org/longtake/", "https://video.example.org", "https://video.example.org/longtake"),
            ("http://video.example.org:80/a/b", "http://video.example.org", "http://video.example.org/a/b"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ])
    func publicURL(text: String, origin: String, base: String) throws {
        let url = try #require(PublicURL(text))
        #expect(url.origin == origin)
        #expect(url.description == base)
    }

    @Test(
        "cannot use any other public URL",
        arguments: [
            "", "video.example.org", "ftp://x", "https://", "https://u@x", "https://u:p@x", "https://x?q",
            "https://x#f",
            "https://x:0", "https://x:65536", "https://x y", "//x", "https://x/\"", "javascript:alert(1)",
            "https://x/a+b",
        ])
    func notPublic(text: String) { #expect(PublicURL(text) == nil) }
}
