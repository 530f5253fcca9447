import Testing

@testable import LongtakeHTTP

@Suite("allowed hosts")
struct AllowedHostsTests {
    @Test(
        "an entry is a host name, one behind `*.`, or `*`",
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
        "`*.x` stands for every name below x, with or without a port, and not for x",
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

    @Test("`*` never allows every name: only a daemon with keys may have that entry, and it checks no Host")
    func everything() {
        let hosts = AllowedHosts(["*"])
        #expect(!hosts.contains("evil.example.org"))
        #expect(!hosts.contains("*"))
        #expect(hosts.contains("localhost"))
    }
}
