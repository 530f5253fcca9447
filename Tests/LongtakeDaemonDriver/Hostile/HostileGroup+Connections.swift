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

    static let representations = HostileGroup(
        description: "Accept and Content-Type",
        inputs: [
            HostileInput("an asterisk alone", get("/v1/jobs", "Accept: *\r\n"), 406),
            HostileInput("nothing at all", get("/v1/jobs", "Accept: */*;q=0\r\n"), 406),
            HostileInput("no JSON", get("/v1/jobs", "Accept: application/json;q=0\r\n"), 406),
            HostileInput("a weight that is none", get("/v1/jobs", "Accept: application/json;q=x\r\n"), 406),
            HostileInput("a weight of NaN", get("/v1/jobs", "Accept: application/json;q=NaN\r\n"), 406),
            HostileInput("a weight below 0", get("/v1/jobs", "Accept: application/json;q=-1\r\n"), 406),
            HostileInput("three names", get("/v1/jobs", "Accept: a/b/c\r\n"), 406),
            HostileInput("a slash", get("/v1/jobs", "Accept: /\r\n"), 406),
            HostileInput("any type of JSON", get("/v1/jobs", "Accept: */json\r\n"), 406),
            HostileInput("other bytes", get("/v1/jobs", "Accept: \u{ff}/\u{ff}\r\n"), 406),
            HostileInput("a picture", get("/v1/jobs", "Accept: image/png\r\n"), 406),
            HostileInput("3,000 types", get("/v1/jobs", "Accept: " + many("a/b,", 3000) + "\r\n"), 406),
            HostileInput("an empty one", get("/v1/jobs", "Accept: \r\n"), 200),
            HostileInput("capitals", get("/v1/jobs", "Accept: APPLICATION/JSON\r\n"), 200),
            HostileInput("a comma in quotes", get("/v1/jobs", "Accept: application/json;profile=\"x,y\"\r\n"), 200),
            HostileInput(
                "two, the first wrong", get("/v1/jobs", "Accept: image/png\r\nAccept: application/json\r\n"), 200),
            HostileInput(
                "a feed as a page", get("/v1/events", "Accept: application/json\r\nLast-Event-ID: \u{ff}\r\n"), 406),
            HostileInput("an empty type", post(ok, "Content-Type: \r\n"), 415),
            HostileInput("a longer word", post(ok, "Content-Type: application/jsonx\r\n"), 415),
            HostileInput("a form", post(ok, "Content-Type: application/x-www-form-urlencoded\r\n"), 415),
            HostileInput("parts", post(ok, "Content-Type: multipart/form-data; boundary=x\r\n"), 415),
            HostileInput("text", post(ok, "Content-Type: text/plain\r\n"), 415),
            HostileInput("JSON of another kind", post(ok, "Content-Type: application/vnd.api+json\r\n"), 415),
            HostileInput("any type", post(ok, "Content-Type: */*\r\n"), 415),
            HostileInput("two types", post(ok, "Content-Type: application/json, text/plain\r\n"), 415),
            HostileInput("spaces in the type", post(ok, "Content-Type: application / json\r\n"), 415),
            HostileInput("another byte in front", post(ok, "Content-Type: \u{ff}application/json\r\n"), 415),
            HostileInput(
                "two type fields", post(ok, "Content-Type: text/plain\r\nContent-Type: application/json\r\n"), 415),
            HostileInput("no type", post(ok, ""), 415),
            HostileInput("a parameter", post(ok, "Content-Type: Application/JSON ; charset=utf-8\r\n"), 201),
        ])

    /// After a request to upgrade the protocol the daemon read nothing more, and the next request
    /// timed out.
    static let protocols = HostileGroup(
        description: "other protocols and upgrades",
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

    static let pipelines = HostileGroup(
        description: "pipelined requests",
        inputs: [
            HostileInput(
                "50 requests", many(get("/healthz"), 50), 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200,
                200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200,
                200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200),
            HostileInput("HEAD between two", "HEAD /nope HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            HostileInput("behind the last one", get("/healthz", "Connection: close\r\n") + smuggled, closes: 200),
            HostileInput("behind HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n" + smuggled, closes: 200),
            HostileInput(
                "behind HTTP/1.0 that is kept",
                "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get("/nope"), 200, 404),
            HostileInput("behind a body too large", head("Content-Length: 70000\r\n") + smuggled, closes: 413),
            HostileInput("behind garbage", "GARBAGE\r\n\r\n" + smuggled, closes: 400),
            HostileInput(
                "behind a refused expectation", head("Expect: x\r\nContent-Length: 0\r\n") + smuggled, closes: 417),
            HostileInput(
                "behind a head that is too large", get("/healthz", "X: " + many("y", 17000) + "\r\n") + smuggled,
                closes: 431),
            HostileInput("behind no host", "GET /healthz HTTP/1.1\r\n\r\n" + smuggled, closes: 400),
            HostileInput("garbage behind", get("/healthz") + "GARBAGE\r\n\r\n", closes: 200, 400),
            HostileInput(
                "a broken second of three", get("/healthz") + "GET /healthz HTTP/1.1\r\nX : y\r\n\r\n" + smuggled,
                closes: 200, 400),
            HostileInput(
                "a mistake between two", get("/healthz") + get("/v1/jobs?limit=0") + get("/healthz"), 200, 400, 200),
            HostileInput(
                "a letter before the next", chunked(okChunk + "0\r\n\r\nG" + get("/healthz")), closes: 201, 400),
            HostileInput("two submissions", post(ok) + post(ok), 201, 201),
        ])
}
