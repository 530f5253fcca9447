import Testing

@testable import longtake

@Suite("items of http.host")
struct ListenHostTests {
    @Test(
        "are host names, or addresses without brackets and without a port",
        arguments: [
            "localhost", "daemon.example.org", "daemon.example.org.", "127.0.0.1", "::1", "::", "fe80::1%eth0",
            "::ffff:127.0.0.1", "a_b",
        ])
    func valid(_ text: String) { #expect(ListenHost.isValid(text)) }

    @Test(
        "get advice if the intention is clear",
        arguments: [
            ("[::1]", "“[::1]” has brackets. Write ::1."),
            ("[::1]:9999", "“[::1]:9999” contains a port. Write ::1, and set http.port (--port) to 9999."),
            (
                "127.0.0.1:9999",
                "“127.0.0.1:9999” contains a port. Write 127.0.0.1, and set http.port (--port) to 9999."
            ),
            ("localhost:80", "“localhost:80” contains a port. Write localhost, and set http.port (--port) to 80."),
            ("http://localhost", "“http://localhost” is a URL. Write only its host."),
            ("/run/a.sock", "“/run/a.sock” is a path. Use http.unix_socket (--unix-socket) for a Unix socket."),
            ("*", "“*” is not an address. Write 0.0.0.0 for all IPv4 addresses, or ::."),
        ])
    func advice(_ text: String, _ advice: String) {
        #expect(!ListenHost.isValid(text))
        #expect(ListenHost.advice(text) == advice)
    }

    @Test(
        "get no advice if the intention is unclear",
        arguments: ["", " ", "a b", "[", "]", "[]", "[]:80", "::1:", ":80", "1::2::3", "[a:80", "%eth0", "::1%", "a%b"])
    func unknown(_ text: String) {
        #expect(!ListenHost.isValid(text))
        #expect(ListenHost.advice(text) == nil)
    }
}
