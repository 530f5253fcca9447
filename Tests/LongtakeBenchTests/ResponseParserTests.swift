import NIOCore
import Testing

@testable import longtake_bench

@Suite struct ResponseParserTests {
    // This test failed with a parser that took a response for complete after its head.
    @Test("parses responses in order, in pieces of any size")
    func pieces() throws {
        let stream =
            "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\ncontent-LENGTH:  4\r\ndate: now\r\n\r\n{1}\n"
            + "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
            + "HTTP/1.1 429 Slow\r\nContent-Length: 2\r\n\r\n\r\n"
        let bytes = Array(stream.utf8)
        for size in 1...bytes.count {
            var parser = ResponseParser()
            var responses: [String] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                var piece = ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)])
                parser.feed(&piece)
                while let response = try parser.next() {
                    responses.append("\(response.status) \(String(buffer: response.body))")
                }
            }
            #expect(responses == ["201 {1}\n", "204 ", "429 \r\n"], "in pieces of \(size)")
        }
    }

    @Test(
        "throws if a response has no length, no status, or is not HTTP",
        arguments: [
            "HTTP/1.1 200 OK\r\nDate: now\r\n\r\n", "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\r\n\r\n",
        ])
    func invalid(_ text: String) throws {
        var parser = ResponseParser()
        var bytes = ByteBuffer(string: text)
        parser.feed(&bytes)
        #expect(throws: BenchFailure.self) { try parser.next() }
    }
}
