extension HostileGroup {
    static let conditions = HostileGroup(
        description: "Idempotency-Key, Last-Event-ID, Expect and Prefer",
        inputs: [
            HostileInput("no key", post(ok, "Content-Type: application/json\r\nIdempotency-Key: \r\n"), 400),
            HostileInput(
                "a space in the key", post(ok, "Content-Type: application/json\r\nIdempotency-Key: a b\r\n"), 201),
            HostileInput(
                "a tab in the key", post(ok, "Content-Type: application/json\r\nIdempotency-Key: a\tb\r\n"), 400),
            HostileInput(
                "a key in UTF-8", post(ok, "Content-Type: application/json\r\nIdempotency-Key: caf\u{c3}\u{a9}\r\n"),
                400),
            HostileInput(
                "another byte as the key", post(ok, "Content-Type: application/json\r\nIdempotency-Key: \u{ff}\r\n"),
                400),
            HostileInput(
                "a key of 256 characters",
                post(ok, "Content-Type: application/json\r\nIdempotency-Key: " + many("k", 256) + "\r\n"), 400),
            HostileInput(
                "SQL as the key",
                post(ok, "Content-Type: application/json\r\nIdempotency-Key: '; DROP TABLE jobs; --\r\n"), 201),
            HostileInput(
                "two keys", post(ok, "Content-Type: application/json\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n"),
                400),
            HostileInput(
                "a control character as the key",
                post(ok, "Content-Type: application/json\r\nIdempotency-Key: \u{7f}\r\n"), closes: 400),
            HostileInput(
                "a path as the key", post(ok, "Content-Type: application/json\r\nIdempotency-Key: ../../x\r\n"), 201),
            HostileInput(
                "the same key with another body",
                post(#"{"input":{"prompt":"b"}}"#, "Content-Type: application/json\r\nIdempotency-Key: ../../x\r\n"),
                422),
            HostileInput(
                "the same key and body again",
                post(ok, "Content-Type: application/json\r\nIdempotency-Key: ../../x\r\n"), 200),
            HostileInput(
                "a POST that reconnects", post(ok, "Content-Type: application/json\r\nLast-Event-ID: 00000000-1\r\n"),
                400),
            HostileInput(
                "a POST that reconnects from 0", post(ok, "Content-Type: application/json\r\nLast-Event-ID: 0\r\n"), 400
            ),
            HostileInput(
                "a POST with another byte as the cursor",
                post(ok, "Content-Type: application/json\r\nLast-Event-ID: \u{ff}\r\n"), 400),
            HostileInput(
                "a POST with a cursor of 400 digits",
                post(ok, "Content-Type: application/json\r\nLast-Event-ID: " + many("9", 400) + "\r\n"), 400),
            HostileInput("another expectation", head("Expect: wonders\r\nContent-Length: 24\r\n") + ok, closes: 417),
            HostileInput(
                "two expectations in one", head("Expect: 100-continue, x\r\nContent-Length: 24\r\n") + ok, closes: 417),
            HostileInput("an empty expectation", head("Expect: \r\nContent-Length: 24\r\n") + ok, closes: 417),
            HostileInput(
                "two expectations", head("Expect: 100-continue\r\nExpect: x\r\nContent-Length: 24\r\n") + ok,
                closes: 417),
            HostileInput(
                "an expectation in capitals", head("Expect: 100-CONTINUE\r\nContent-Length: 24\r\n") + ok, 100, 201),
            HostileInput(
                "an expectation for a body too large", head("Expect: 100-continue\r\nContent-Length: 70000\r\n"),
                closes: 413),
            HostileInput(
                "an expectation in HTTP/1.0",
                "POST /v1/jobs HTTP/1.0\r\nContent-Type: application/json\r\nExpect: wonders\r\nContent-Length: 24\r\n\r\n"
                    + ok, closes: 201),
        ])
}
