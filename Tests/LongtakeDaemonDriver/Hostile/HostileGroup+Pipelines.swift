extension HostileGroup {
    static let pipelines = HostileGroup(
        description: "several requests at once",
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
