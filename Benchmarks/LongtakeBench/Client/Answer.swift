import Glibc
import LongtakeCore
import NIOCore

/// An answer of a server, with its whole body.
struct Answer: Sendable {
    let status: Int
    let body: ByteBuffer

    var json: JSONValue {
        get throws { try document(JSONValue.self) }
    }

    /// Decodes the body.
    func document<Document: Decodable>(_ type: Document.Type) throws -> Document {
        try JSONText.decode(type, from: String(buffer: body))
    }
}

/// Takes answers from the bytes of a kept connection (RFC 9112), as far as our servers send them: with a `Content-Length`.
struct AnswerScanner {
    private var bytes = ByteBuffer()

    mutating func feed(_ more: inout ByteBuffer) { bytes.writeBuffer(&more) }

    /// - Returns: the next whole answer; `nil` where it is not there yet.
    mutating func next() throws(BenchFailure) -> Answer? {
        guard let head = try bytes.withUnsafeReadableBytes({ view throws(BenchFailure) in try AnswerHead(view) }),
            bytes.readableBytes >= head.bytes + head.length
        else { return nil }
        bytes.moveReaderIndex(forwardBy: head.bytes)
        let body = bytes.readSlice(length: head.length) ?? ByteBuffer()
        bytes.discardReadBytes()
        return Answer(status: head.status, body: body)
    }
}

/// What is needed of an answer's head, without a text of any of it: the driver shares its processors with what it measures.
private struct AnswerHead {
    /// How long the head is, with the empty line.
    let bytes: Int
    let status: Int
    /// How long the body is.
    let length: Int

    /// `nil` where the head is not whole yet.
    init?(_ view: UnsafeRawBufferPointer) throws(BenchFailure) {
        guard let start = view.baseAddress else { return nil }
        let name = "content-length:"
        var (line, status, length): (Int, Int?, Int?) = (0, nil, nil)
        while let end = memchr(start + line, 0x0a, view.count - line).map({ start.distance(to: $0) }) {
            // Each ends with CR LF.
            let count = end - 1 - line
            if line == 0 {
                // HTTP/1.1 201 Created
                guard count >= 12, memcmp(start, "HTTP/1.", 7) == 0 else { throw BenchFailure("this is no HTTP") }
                status = Self.number(view[9..<12])
            } else if count > name.utf8.count, strncasecmp(start + line, name, name.utf8.count) == 0 {
                length = Self.number(view[(line + name.utf8.count)..<(line + count)].drop { $0 == 0x20 })
            } else if count <= 0 {
                guard let status, let length else { throw BenchFailure("an answer without a status or a length") }
                (self.status, self.length, bytes) = (status, length, end + 1)
                return
            }
            line = end + 1
        }
        return nil
    }

    private static func number(_ digits: some Collection<UInt8>) -> Int? {
        guard (1...9).contains(digits.count) else { return nil }
        var number = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            number = number * 10 + Int(digit - 0x30)
        }
        return number
    }
}
