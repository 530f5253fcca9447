import Testing

@testable import LongtakeHTTP

@Suite("the splitter of a form") struct MultipartSplitterTests {
    private typealias Piece = MultipartSplitter.Piece

    /// Two parts, the second of which contains what looks like a delimiter.
    private static let form = Array(
        """
        preamble\r
        --b\r
        Content-Disposition: form-data; name="text"\r
        \r
        hello\r
        --b \t\r
        content-DISPOSITION:form-data; name="content"; filename="a.png"\r
        Content-Type: image/png\r
        \r
        \r
        \r\n--\r\n-- b\r\n--c\rx\nend\r
        --b--\r
        epilogue --b
        """.utf8)

    /// The pieces, with the content of each part in one piece.
    private static func joined(_ pieces: [Piece]) -> [Piece] {
        var joined: [Piece] = []
        for piece in pieces {
            if case .content(let more) = piece, case .content(let bytes)? = joined.last {
                joined[joined.count - 1] = .content(bytes + more)
            } else {
                joined.append(piece)
            }
        }
        return joined
    }

    private static func split(_ chunks: [ArraySlice<UInt8>], boundary: String = "b") throws -> [Piece] {
        var splitter = try #require(MultipartSplitter(boundary: boundary))
        var pieces: [Piece] = []
        for chunk in chunks { pieces += try splitter.read(chunk) }
        #expect(splitter.isComplete)
        return joined(pieces)
    }

    private static let expected: [Piece] = [
        .part(["content-disposition": #"form-data; name="text""#]), .content(Array("hello".utf8)), .endOfPart,
        .part([
            "content-disposition": #"form-data; name="content"; filename="a.png""#, "content-type": "image/png",
        ]), .content(Array("\r\n\r\n--\r\n-- b\r\n--c\rx\nend".utf8)), .endOfPart,
    ]

    @Test("finds the same parts, wherever the body is split")
    func everySplit() throws {
        #expect(try Self.split([Self.form[...]]) == Self.expected)
        for first in Self.form.indices {
            #expect(try Self.split([Self.form[..<first], Self.form[first...]]) == Self.expected, "split at \(first)")
        }
        #expect(try Self.split(Self.form.map { [$0] }) == Self.expected)
    }

    @Test("finds a form without preamble and epilogue, a part without headers, and an empty part")
    func small() throws {
        #expect(
            try Self.split([Array("--b\r\n\r\nx\r\n--b--".utf8)[...]]) == [.part([:]), .content([0x78]), .endOfPart])
        #expect(try Self.split([Array("--b\r\nA: b\r\n\r\n\r\n--b--".utf8)[...]]) == [.part(["a": "b"]), .endOfPart])
        #expect(try Self.split([Array("--b--".utf8)[...]]) == [])
    }

    @Test("keeps no more of the content than a delimiter")
    func memory() throws {
        var splitter = try #require(MultipartSplitter(boundary: "boundary"))
        _ = try splitter.read(Array("--boundary\r\n\r\n".utf8))
        var passed = 0
        for _ in 0..<100 {
            for case .content(let bytes) in try splitter.read([UInt8](repeating: 0x0d, count: 1_000)) {
                passed += bytes.count
            }
        }
        #expect(passed >= 100_000 - "\r\n--boundary".utf8.count)
        #expect(!splitter.isComplete)
    }

    @Test("refuses too many headers and a malformed delimiter")
    func malformed() throws {
        let many = Array("--b\r\nA: ".utf8) + [UInt8](repeating: 0x61, count: MultipartSplitter.headerBytes)
        for body in [many, many + Array("\r\n\r\n".utf8), Array("--bx\r\n".utf8), Array("--b\u{20}x\r\n".utf8)] {
            var splitter = try #require(MultipartSplitter(boundary: "b"))
            #expect(throws: MultipartSplitter.Malformed.self) { _ = try splitter.read(body) }
        }
        var endless = try #require(MultipartSplitter(boundary: "b"))
        #expect(throws: MultipartSplitter.Malformed.self) {
            _ = try endless.read(Array("--b".utf8) + [UInt8](repeating: 0x20, count: 1_000))
        }
    }

    @Test("is not complete before the last delimiter")
    func incomplete() throws {
        for body in ["", "--b", "--b\r\n", "--b\r\n\r\n", "--b\r\n\r\nx\r\n--b", "--b\r\n\r\nx\r\n--b-"] {
            var splitter = try #require(MultipartSplitter(boundary: "b"))
            _ = try splitter.read(Array(body.utf8))
            #expect(!splitter.isComplete, "\(body)")
        }
    }

    @Test(
        "finds the boundary in Content-Type",
        arguments: [
            (nil, nil), ("image/png", nil), ("multipart/mixed; boundary=b", nil), ("multipart/form-data", ""),
            ("multipart/form-data; boundary=b", "b"), ("MULTIPART/FORM-DATA; charset=x; BOUNDARY=\"a b;c\"", "a b;c"),
        ] as [(String?, String?)])
    func boundary(type: String?, boundary: String?) {
        #expect(MultipartSplitter.boundary(in: type) == boundary)
    }

    @Test("has a boundary of 1 to 70 bytes")
    func boundaryLength() {
        #expect(MultipartSplitter(boundary: "") == nil)
        #expect(MultipartSplitter(boundary: String(repeating: "b", count: 70)) != nil)
        #expect(MultipartSplitter(boundary: String(repeating: "b", count: 71)) == nil)
    }
}
