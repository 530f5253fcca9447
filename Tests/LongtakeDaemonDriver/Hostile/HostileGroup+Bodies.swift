extension HostileGroup {
    /// Seen to be taken: a coding besides chunked, an empty one (and the chunks for the next request), and chunks in HTTP/1.0.
    static let codings = HostileGroup(
        description: "Transfer-Encoding, spelt so that two readers could differ",
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
}
