import NIOCore
import Testing

@testable import LongtakeHTTP

@Suite struct HTTPChunkTests {
    @Test("a chunk has its length in hexadecimal digits and two line ends (RFC 9112 §7.1)", arguments: [1, 26, 300])
    func chunk(count: Int) {
        var bytes = ByteBuffer()
        HTTPChunk.writePrefix(of: count, into: &bytes)
        bytes.writeRepeatingByte(UInt8(ascii: "x"), count: count)
        HTTPChunk.writeSuffix(into: &bytes)
        let content = String(repeating: "x", count: count)
        #expect(bytes.readableBytes <= count + HTTPChunk.overhead)
        #expect(String(buffer: bytes) == "\(String(count, radix: 16))\r\n\(content)\r\n")
    }
}
