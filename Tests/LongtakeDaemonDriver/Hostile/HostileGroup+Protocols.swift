extension HostileGroup {
    /// Seen to be taken without an end: behind a request to change the protocol nothing was read any more, and the next request timed out.
    static let protocols = HostileGroup(
        description: "other protocols, and ways to change to one",
        inputs: [
            HostileInput(
                "the preface of HTTP/2",
                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u{0}\u{0}\u{0}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}", closes: 400),
            HostileInput(
                "TLS", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}" + many("\u{7}", 508), closes: 400),
            HostileInput("SSH", "SSH-2.0-OpenSSH_9.2\r\n", closes: 400),
            HostileInput("SMTP", "EHLO x\r\n", closes: 400),
            HostileInput("Redis", "*1\r\n$4\r\nPING\r\n", closes: 400),
            HostileInput("the line of a proxy", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get("/healthz"), closes: 400),
            HostileInput("the bytes of a proxy", "\r\n\r\n\u{0}\r\nQUIT\n!\u{11}\u{0}\u{c}", closes: 400),
            HostileInput(
                "a change to WebSocket",
                get(
                    "/healthz",
                    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                ), 200),
            HostileInput(
                "a change to HTTP/2",
                get(
                    "/healthz",
                    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
                ), 200),
            HostileInput(
                "a change to HTTP/2 with a body",
                head("Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 24\r\n") + ok, 201),
            HostileInput(
                "a change to TLS", get("/healthz", "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n"), 200),
            HostileInput(
                "a change written so that readers may differ",
                get("/healthz", "Connection: x-upgrade;y\r\nUpgrade: h2c\r\n"), closes: 200),
            HostileInput(
                "a field that is only for this hop", get("/healthz", "Connection: close, Host\r\n"), closes: 200),
            HostileInput("a connection of quotes", get("/healthz", "Connection: \"close\"\r\n"), 200),
            HostileInput("a part of the answer", get("/healthz", "Range: bytes=0-1\r\n"), 200),
            HostileInput(
                "a date that is none",
                get("/healthz", "If-Modified-Since: x\r\nIf-Unmodified-Since: x\r\nIf-Match: x\r\n"), 200),
        ])
}
