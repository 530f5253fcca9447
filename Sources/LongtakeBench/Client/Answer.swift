import LongtakeCore
import NIOCore

/// An answer of a server, with its whole body.
struct Answer: Sendable {
    let status: Int
    let body: ByteBuffer

    var json: JSONValue {
        get throws { try JSONText.decode(JSONValue.self, from: String(buffer: body)) }
    }
}

/// Takes answers from the bytes of a kept connection (RFC 9112), as far as our servers send them: with a `Content-Length`.
struct AnswerScanner {
    private var bytes = ByteBuffer()

    mutating func feed(_ more: inout ByteBuffer) { bytes.writeBuffer(&more) }

    /// - Returns: the next whole answer; `nil` where it is not there yet.
    mutating func next() throws(BenchFailure) -> Answer? {
        let view = bytes.readableBytesView
        guard let headEnd = view.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: view[..<headEnd.lowerBound], as: UTF8.self).split(separator: "\r\n")
        guard let first = lines.first, let status = first.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else {
            throw BenchFailure("this is no HTTP")
        }
        let field = lines.dropFirst().first { $0.lowercased().hasPrefix("content-length:") }
        guard let length = field?.split(separator: ":").last.flatMap({ Int($0.filter(\.isNumber)) }) else {
            throw BenchFailure("an answer without a length: \(first)")
        }
        let headBytes = headEnd.upperBound - view.startIndex
        guard bytes.readableBytes >= headBytes + length else { return nil }
        bytes.moveReaderIndex(forwardBy: headBytes)
        let body = bytes.readSlice(length: length) ?? ByteBuffer()
        bytes.discardReadBytes()
        return Answer(status: status, body: body)
    }
}
