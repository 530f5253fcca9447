extension HostileGroup {
    /// The daemon accepted another coding beside chunked, an empty one (it took the chunks for the
    /// next request), and chunks in HTTP/1.0.
    static let codings = HostileGroup(
        description: "Transfer-Encoding in spellings that parsers interpret differently",
        inputs: [
            HostileInput(
                "unknown", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: xchunked\r\n"), closes: 400),
            HostileInput(
                "chunked twice", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: chunked, chunked\r\n"),
                closes: 400),
            HostileInput(
                "chunked, then identity",
                chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: chunked, identity\r\n"), closes: 400),
            HostileInput(
                "identity", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: identity\r\n"), closes: 400),
            HostileInput(
                "identity, then chunked",
                chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: identity, chunked\r\n"), closes: 501),
            HostileInput("gzip", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: gzip\r\n"), closes: 400),
            HostileInput(
                "gzip, then chunked", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: gzip, chunked\r\n"),
                closes: 501),
            HostileInput(
                "unknown, then chunked", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: x, chunked\r\n"),
                closes: 501),
            HostileInput(
                "chunked, then unknown", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: chunked, x\r\n"),
                closes: 400),
            HostileInput(
                "with a parameter", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: chunked;q=1\r\n"),
                closes: 400),
            HostileInput(
                "in quotes", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: \"chunked\"\r\n"),
                closes: 400),
            HostileInput(
                "with a vertical tab behind it",
                chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: chunked\u{b}\r\n"), closes: 400),
            HostileInput(
                "with a vertical tab before it",
                chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: \u{b}chunked\r\n"), closes: 400),
            HostileInput(
                "with NUL", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: chunked\u{0}\r\n"),
                closes: 400),
            HostileInput(
                "cut short", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: chunke\r\n"), closes: 400),
            HostileInput("empty", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: \r\n"), closes: 400),
            HostileInput("a comma", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: ,\r\n"), closes: 400),
            HostileInput(
                "an empty item before it", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: ,chunked\r\n"),
                closes: 501),
            HostileInput(
                "chunked, in two fields",
                chunked(
                    okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                closes: 400),
            HostileInput(
                "chunked and identity, in two fields",
                chunked(
                    okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
                closes: 400),
            HostileInput(
                "identity and chunked, in two fields",
                chunked(
                    okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
                closes: 501),
            HostileInput(
                "a space before the colon",
                chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding : chunked\r\n"), closes: 400),
            HostileInput(
                "a tab before the colon", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding\t: chunked\r\n"),
                closes: 400),
            HostileInput(
                "a continued line", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer-Encoding:\r\n chunked\r\n"),
                closes: 400),
            HostileInput(
                "in the continuation of another line",
                chunked(okChunk + "0\r\n\r\n" + smuggled, "X: y\r\n Transfer-Encoding: chunked\r\n"), closes: 400),
            HostileInput(
                "behind a bare LF", chunked(okChunk + "0\r\n\r\n" + smuggled, "X: y\nTransfer-Encoding: chunked\r\n"),
                closes: 400),
            HostileInput(
                "behind a bare CR", chunked(okChunk + "0\r\n\r\n" + smuggled, "X: y\rTransfer-Encoding: chunked\r\n"),
                closes: 400),
            HostileInput(
                "a space before the name", chunked(okChunk + "0\r\n\r\n" + smuggled, " Transfer-Encoding: chunked\r\n"),
                closes: 400),
            HostileInput(
                "a NUL in the name", chunked(okChunk + "0\r\n\r\n" + smuggled, "Transfer\u{0}-Encoding: chunked\r\n"),
                closes: 400),
            HostileInput(
                "an underscore in the name", chunked(okChunk + "0\r\n\r\n", "Transfer_Encoding: chunked\r\n"),
                closes: 400, 400),
            HostileInput("capitals", chunked(okChunk + "0\r\n\r\n", "TRANSFER-ENCODING: CHUNKED\r\n"), 201),
            HostileInput("spaces around it", chunked(okChunk + "0\r\n\r\n", "Transfer-Encoding:   chunked  \r\n"), 201),
            HostileInput(
                "a tab behind it", chunked(okChunk + "0\r\n\r\n", "Transfer-Encoding: chunked\t\r\n"), closes: 400),
            HostileInput(
                "in HTTP/1.0",
                "POST /v1/jobs HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + okChunk + "0\r\n\r\n", closes: 400),
            HostileInput(
                "in HTTP/1.0, with a length",
                "POST /v1/jobs HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 24\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + okChunk + "0\r\n\r\n", closes: 400),
        ])

    static let lengths = HostileGroup(
        description: "the length of a body",
        inputs: [
            HostileInput(
                "a length and chunks",
                head("Content-Length: 24\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + smuggled, closes: 400),
            HostileInput(
                "chunks and a length",
                head("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + "0\r\n\r\n" + smuggled, closes: 400),
            HostileInput(
                "a length that reaches over a request",
                head("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\nG" + smuggled, closes: 400),
            HostileInput("two equal lengths", head("Content-Length: 24\r\nContent-Length: 24\r\n") + ok, closes: 400),
            HostileInput(
                "two lengths", head("Content-Length: 24\r\nContent-Length: 0\r\n") + ok + smuggled, closes: 400),
            HostileInput("a list of lengths", head("Content-Length: 24, 24\r\n") + ok, closes: 400),
            HostileInput("a length with a plus", head("Content-Length: +24\r\n") + ok, closes: 400),
            HostileInput("a length below 0", head("Content-Length: -1\r\n") + ok, closes: 400),
            HostileInput("a length in base 16", head("Content-Length: 0x18\r\n") + ok, closes: 400),
            HostileInput("a length with a letter", head("Content-Length: 24a\r\n") + ok, closes: 400),
            HostileInput("a length with a space in it", head("Content-Length: 2 4\r\n") + ok, closes: 400),
            HostileInput("a length that is empty", head("Content-Length: \r\n") + ok, closes: 400),
            HostileInput("a length over 64 bits", head("Content-Length: 18446744073709551640\r\n") + ok, closes: 400),
            HostileInput(
                "a length of 23 digits", head("Content-Length: 99999999999999999999999\r\n") + ok, closes: 400),
            HostileInput("a length with an exponent", head("Content-Length: 1e1\r\n") + ok, closes: 400),
            HostileInput("a length with a vertical tab", head("Content-Length: 24\u{b}\r\n") + ok, closes: 400),
            HostileInput("a length in other digits", head("Content-Length: \u{b2}\u{b4}\r\n") + ok, closes: 400),
            HostileInput("a length with a parameter", head("Content-Length: 24;q=1\r\n") + ok, closes: 400),
            HostileInput("a length in quotes", head("Content-Length: \"24\"\r\n") + ok, closes: 400),
            HostileInput("a length with zeros in front", head("Content-Length: 00024\r\n") + ok, 201),
            HostileInput("a length with spaces around it", head("Content-Length:   24  \r\n") + ok, 201),
            HostileInput("a length with a tab behind it", head("Content-Length: 24\t\r\n") + ok, closes: 400),
            HostileInput("a length in a continued line", head("Content-Length:\r\n 24\r\n") + ok, closes: 400),
            HostileInput("a length behind a bare CR", head("X: y\rContent-Length: 24\r\n") + ok, closes: 400),
            HostileInput("a length with a space before the colon", head("Content-Length : 24\r\n") + ok, closes: 400),
            HostileInput("a body too large", head("Content-Length: 65537\r\n"), closes: 413),
            HostileInput("a body of 9 EB", head("Content-Length: 9223372036854775807\r\n"), closes: 413),
            HostileInput("a body too large of a GET", get("/healthz", "Content-Length: 70000\r\n"), closes: 413),
            HostileInput(
                "a body of 70,000 bytes that comes", head("Content-Length: 70000\r\n") + many("a", 70000), closes: 413),
            .init(unanswered: "less than the length says", head("Content-Length: 25\r\n") + ok),
            HostileInput(
                "more than the length says", head("Content-Length: 24\r\n") + ok + "x\r\n\r\n", closes: 201, 400),
            HostileInput("no length", head("") + ok + "\r\n\r\n", closes: 400, 400),
            HostileInput("a body of a GET", get("/healthz", "Content-Length: 5\r\n") + "hello", 200),
            HostileInput(
                "a request as the body of a GET",
                get("/healthz", "Content-Length: \(smuggled.utf8.count)\r\n") + smuggled, 200),
            HostileInput(
                "a request as a body in chunks of a GET",
                get("/healthz", "Transfer-Encoding: chunked\r\n") + "\(String(smuggled.utf8.count, radix: 16))\r\n"
                    + smuggled + "\r\n0\r\n\r\n", 200),
            HostileInput(
                "a body of a HEAD", "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", 200),
            HostileInput(
                "a packed body", post(ok, "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"), closes: 415),
            HostileInput(
                "a body packed twice",
                post(ok, "Content-Type: application/json\r\nContent-Encoding: deflate, gzip\r\n"), closes: 415),
            HostileInput(
                "a body that is not packed",
                post(ok, "Content-Type: application/json\r\nContent-Encoding: identity\r\n"), 201),
        ])

    static let chunks = HostileGroup(
        description: "chunked bodies",
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
