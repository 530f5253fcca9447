import Dispatch
import Glibc
import NIOCore

/// A connection that sends or receives one file at a time, with blocking calls, so that the driver
/// costs as little as possible.
final class FileTransfer {
    private let descriptor: CInt
    private var chunk = [UInt8](repeating: 0, count: chunkBytes)

    private static let chunkBytes = 256 * 1024
    /// A transfer that makes no progress for this long fails.
    private static let timeoutSeconds = 60

    /// Connects to a server on 127.0.0.1.
    /// - Parameter receiveBuffer: the approximate bytes of the kernel's receive buffer; `nil` for
    ///   its default.
    init(port: Int, receiveBuffer: CInt? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if var receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<CInt>.size))
        }
        var timeout = timeval(tv_sec: Self.timeoutSeconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &timeout, socklen_t(MemoryLayout<timeval>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw failure("connect") }
    }

    deinit { close(descriptor) }

    /// Runs blocking work on a thread of its own.
    static func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { caller in
            DispatchQueue(label: "longtake-bench.transfer").async { caller.resume(with: Result { try work() }) }
        }
    }

    /// Sends a request with a body of `bytes` bytes.
    /// - Parameters:
    ///   - start: the request line, such as `PUT /file HTTP/1.1`.
    ///   - seed: decides the content. Another seed makes another file.
    /// - Returns: the response with its body.
    func upload(_ start: String, bytes: Int, seed: UInt64) throws -> (head: ResponseHead, body: [UInt8]) {
        fill(seed)
        try send(
            "\(start)\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\nContent-Length: \(bytes)\r\n\r\n")
        var rest = bytes
        while rest > 0 {
            let count = chunk.withUnsafeBytes { write(descriptor, $0.baseAddress, min(rest, $0.count)) }
            guard count > 0 else { throw failure("send") }
            rest -= count
        }
        return try receive(keeping: Self.chunkBytes)
    }

    /// Requests a file, and drops its bytes.
    func download(_ path: String) throws -> ResponseHead {
        try request(path)
        return try receive(keeping: 0).head
    }

    /// Sends the request for a file, and does not wait for the response.
    func request(_ path: String) throws { try send("GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") }

    /// Takes the bytes that have arrived, at most `count`.
    /// - Returns: the number of bytes; `nil` if the server has closed the connection.
    func take(_ count: Int) -> Int? {
        let taken = recv(descriptor, &chunk, min(count, chunk.count), Int32(truncatingIfNeeded: MSG_DONTWAIT))
        if taken > 0 { return taken }
        return taken < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : nil
    }

    private func send(_ text: String) throws {
        guard text.withCString({ write(descriptor, $0, strlen($0)) }) == text.utf8.count else { throw failure("send") }
    }

    private func receive(keeping kept: Int) throws -> (head: ResponseHead, body: [UInt8]) {
        var (bytes, found): ([UInt8], ResponseHead?) = ([], nil)
        while found == nil {
            bytes += chunk[..<(try receiveSome())]
            found = try bytes.withUnsafeBytes { try ResponseHead($0) }
        }
        guard let head = found else { throw failure("receive") }
        var body = Array(bytes.dropFirst(head.bytes))
        var rest = head.bodyBytes - body.count
        while rest > 0 {
            let count = try receiveSome()
            if body.count < kept { body += chunk[..<count] }
            rest -= count
        }
        return (head, body)
    }

    private func receiveSome() throws -> Int {
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { throw failure(count == 0 ? "the server closed the connection" : "receive") }
        return count
    }

    /// Fills the chunk with bytes that do not compress (xorshift64).
    private func fill(_ seed: UInt64) {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        chunk.withUnsafeMutableBytes { bytes in
            for offset in stride(from: 0, to: bytes.count, by: 8) {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                bytes.storeBytes(of: state, toByteOffset: offset, as: UInt64.self)
            }
        }
    }

    private func failure(_ what: String) -> BenchFailure {
        BenchFailure("a file transfer failed: \(what): \(String(cString: strerror(errno)))")
    }
}
