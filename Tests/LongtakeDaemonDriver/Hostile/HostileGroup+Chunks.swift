extension HostileGroup {
    static let chunks = HostileGroup(
        description: "bodies in chunks",
        inputs: [
            HostileInput("a whole body", chunked(okChunk + "0\r\n\r\n"), 201),
            HostileInput("an extension", chunked("18;a=b\r\n" + ok + "\r\n0\r\n\r\n"), 201),
            HostileInput("an extension in quotes", chunked("18;a=\"b;c\"\r\n" + ok + "\r\n0\r\n\r\n"), 201),
            HostileInput("zeros before the size", chunked(many("0", 100) + okChunk + "0\r\n\r\n"), 201),
            HostileInput("a last chunk of three zeros", chunked(okChunk + "000\r\n\r\n"), 201),
            HostileInput("a trailer", chunked(okChunk + "0\r\nX: y\r\n\r\n"), 201),
            HostileInput("a body of one byte a chunk", chunked(many("1\r\n \r\n", 500) + okChunk + "0\r\n\r\n"), 201),
            HostileInput(
                "a trailer that would have been refused as a field",
                chunked(
                    okChunk + "0\r\nIdempotency-Key: \u{80}\r\nLast-Event-ID: 1\r\nContent-Type: text/plain\r\n\r\n"),
                201),
            HostileInput(
                "a bare LF behind an extension", chunked("18;a\n" + ok + "\r\n0\r\n\r\n" + smuggled), closes: 400),
            HostileInput(
                "a bare CR in an extension", chunked("18;a\rb\r\n" + ok + "\r\n0\r\n\r\n" + smuggled), closes: 400),
            HostileInput(
                "NUL in an extension", chunked("18;a\u{0}b\r\n" + ok + "\r\n0\r\n\r\n" + smuggled), closes: 400),
            HostileInput(
                "a size over 64 bits", chunked("10000000000000018\r\n" + ok + "\r\n0\r\n\r\n" + smuggled), closes: 400),
            HostileInput("a size with 0x", chunked("0x18\r\n" + ok + "\r\n0\r\n\r\n" + smuggled), closes: 400),
            HostileInput("a size below 0", chunked("-18\r\n" + ok + "\r\n0\r\n\r\n" + smuggled), closes: 400),
            HostileInput("a size with a plus", chunked("+18\r\n" + ok + "\r\n0\r\n\r\n" + smuggled), closes: 400),
            HostileInput("a space before the size", chunked(" " + okChunk + "0\r\n\r\n" + smuggled), closes: 400),
            HostileInput("a space behind the size", chunked("18 \r\n" + ok + "\r\n0\r\n\r\n" + smuggled), closes: 400),
            HostileInput("no size", chunked("\r\n" + ok + "\r\n0\r\n\r\n" + smuggled), closes: 400),
            HostileInput("a word as the size", chunked("zz\r\n" + ok + "\r\n0\r\n\r\n" + smuggled), closes: 400),
            HostileInput("bare LF everywhere", chunked("18\n" + ok + "\n0\n\n" + smuggled), closes: 400),
            HostileInput(
                "more bytes than the size", chunked("18\r\n" + ok + "xx\r\n0\r\n\r\n" + smuggled), closes: 400),
            HostileInput("fewer bytes than the size", chunked("19\r\n" + ok + "\r\n0\r\n\r\n" + smuggled), closes: 400),
            HostileInput("no line end behind the bytes", chunked("18\r\n" + ok + "0\r\n\r\n" + smuggled), closes: 400),
            HostileInput("a bare LF behind the bytes", chunked("18\r\n" + ok + "\n0\r\n\r\n" + smuggled), closes: 400),
            HostileInput("a bare CR behind the bytes", chunked("18\r\n" + ok + "\r0\r\n\r\n" + smuggled), closes: 400),
            HostileInput("a bare CR behind the size", chunked("18\r" + ok + "\r\n0\r\n\r\n" + smuggled), closes: 400),
            HostileInput(
                "a length in the trailers", chunked(okChunk + "0\r\nContent-Length: 5\r\n\r\n" + smuggled), closes: 400),
            HostileInput("a trailer without a colon", chunked(okChunk + "0\r\nX y\r\n\r\n" + smuggled), closes: 400),
            HostileInput(
                "a trailer with a space before the colon", chunked(okChunk + "0\r\nX : y\r\n\r\n" + smuggled),
                closes: 400),
            HostileInput(
                "a trailer with a control character", chunked(okChunk + "0\r\nX: \u{1}\r\n\r\n" + smuggled), closes: 400
            ),
            HostileInput("a body too large", chunked("11170\r\n" + many("a", 70000) + "\r\n0\r\n\r\n"), closes: 413),
            HostileInput(
                "a body too large in small chunks",
                chunked(many("400\r\n" + many("a", 1024) + "\r\n", 65) + "0\r\n\r\n"), closes: 413),
            HostileInput(
                "trailers of 17 KB", chunked(okChunk + "0\r\n" + many("X: " + many("y", 1000) + "\r\n", 17) + "\r\n"),
                closes: 431),
            HostileInput(
                "trailers of 1 MB", chunked(okChunk + "0\r\n" + many("X: " + many("y", 1000) + "\r\n", 1000) + "\r\n"),
                closes: 431),
            .init(unanswered: "the largest size of 64 bits", chunked("ffffffffffffffff\r\n" + ok + "\r\n0\r\n\r\n")),
            .init(unanswered: "no end behind the last chunk", chunked(okChunk + "0\r\n")),
            .init(unanswered: "no last chunk", chunked(okChunk)),
            HostileInput("an empty body, and a request", chunked("0\r\n\r\n" + get("/healthz")), 400, 200),
        ])
}
