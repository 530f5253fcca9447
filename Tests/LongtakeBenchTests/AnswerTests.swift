import NIOCore
import Testing

@testable import longtake_bench

@Suite("the driver reads answers")
struct AnswerTests {
    // Seen to fail with a scanner that takes the head alone for the whole.
    @Test("whatever pieces they come in, each is whole and in order")
    func pieces() throws {
        let stream =
            "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\ncontent-LENGTH:  4\r\ndate: now\r\n\r\n{1}\n"
            + "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
            + "HTTP/1.1 429 Slow\r\nContent-Length: 2\r\n\r\n\r\n"
        let bytes = Array(stream.utf8)
        for size in 1...bytes.count {
            var scanner = AnswerScanner()
            var answers: [String] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                var piece = ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)])
                scanner.feed(&piece)
                while let answer = try scanner.next() {
                    answers.append("\(answer.status) \(String(buffer: answer.body))")
                }
            }
            #expect(answers == ["201 {1}\n", "204 ", "429 \r\n"], "in pieces of \(size)")
        }
    }

    @Test(
        "what has no length, no status or is no HTTP is a fault",
        arguments: [
            "HTTP/1.1 200 OK\r\nDate: now\r\n\r\n", "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\r\n\r\n",
        ])
    func faults(_ text: String) throws {
        var scanner = AnswerScanner()
        var bytes = ByteBuffer(string: text)
        scanner.feed(&bytes)
        #expect(throws: BenchFailure.self) { try scanner.next() }
    }
}
