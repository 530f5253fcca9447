extension HostileGroup {
    /// Seen to fail: behind CONNECT nothing was read any more.
    static let methods = HostileGroup(
        description: "methods",
        inputs: [
            HostileInput("PUT", "PUT /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            HostileInput("DELETE", "DELETE /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            HostileInput("PATCH", "PATCH /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            HostileInput("TRACE", "TRACE /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            HostileInput("CONNECT", "CONNECT /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", closes: 405),
            HostileInput("LINK", "LINK /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
            HostileInput("PURGE", "PURGE /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
            HostileInput("M-SEARCH", "M-SEARCH /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
            HostileInput("PROPFIND", "PROPFIND /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
            HostileInput("QUERY", "QUERY /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
            HostileInput("small letters", "get /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", closes: 400),
            HostileInput("unknown", "BREW /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", closes: 400),
            HostileInput("one letter", "A /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", closes: 400),
            HostileInput("PRI", "PRI /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", closes: 400),
            HostileInput("digits", "123 /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", closes: 400),
            HostileInput("NUL in it", "G\u{0}T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", closes: 400),
            HostileInput("a space in it", "GE T /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", closes: 400),
            HostileInput(
                "a vertical tab behind it", "GET\u{b} /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", closes: 400),
            HostileInput("a bracket", "( /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", closes: 400),
            HostileInput("another byte", "\u{ff} /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", closes: 400),
            HostileInput(
                "5,000 letters", many("A", 5000) + " /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", closes: 400),
            HostileInput(
                "TRACE with a secret", "TRACE /healthz HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n",
                405),
            HostileInput(
                "another method in a field",
                post(#"{"input":{}}"#, "Content-Type: application/json\r\nX-HTTP-Method-Override: DELETE\r\n"), 422),
            HostileInput(
                "CONNECT to another host", "CONNECT evil:80 HTTP/1.1\r\nHost: localhost\r\n\r\n" + smuggled, closes: 404
            ),
            HostileInput(
                "POST where there is only GET",
                "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", 405),
            HostileInput("GET where there is only POST", get("/v1/jobs/job_00000000000000000000000000/cancel"), 405),
        ])
}
