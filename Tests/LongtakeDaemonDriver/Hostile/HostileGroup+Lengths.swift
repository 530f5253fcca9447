extension HostileGroup {
    static let lengths = HostileGroup(
        description: "what says how long a body is",
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
}
