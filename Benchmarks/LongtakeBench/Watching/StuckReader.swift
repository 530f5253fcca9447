import Glibc

/// A client that asks for a stream and then reads nothing, with a small window so that the server notices early.
///
/// It is a bare socket: nothing may read what comes, not even to see that the connection is gone.
struct StuckReader: Sendable {
    /// Its own address, as ``SocketTable`` names it.
    let name: String
    private let descriptor: Int32

    /// The least that the kernel grants is some 2 KiB; it doubles what is asked for.
    private static let windowBytes: Int32 = 4_096
    /// One of the loopback network that no watcher has.
    private static let address: [UInt8] = [127, 0, 1, 1]

    /// Connects to a server on 127.0.0.1, and sends the request.
    init(_ request: String, port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var (size, own) = (Self.windowBytes, Self.socketAddress(Self.address, 0))
        var (server, length) = (Self.socketAddress([127, 0, 0, 1], port), socklen_t(MemoryLayout<sockaddr_in>.size))
        let descriptor = descriptor
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        let isConnected =
            Self.with(&own) { bind(descriptor, $0, length) } == 0
            && Self.with(&server) { connect(descriptor, $0, length) } == 0
            && Self.with(&own) { getsockname(descriptor, $0, &length) } == 0
            && request.withCString { write(descriptor, $0, strlen($0)) } == request.utf8.count
        guard isConnected else {
            Glibc.close(descriptor)
            throw BenchFailure("a stuck reader could not connect: \(String(cString: strerror(errno)))")
        }
        name = SocketTable.name(Self.address, port: Int(UInt16(bigEndian: own.sin_port)))
    }

    /// Wakes up: reads what the kernel still has for it, and closes.
    /// - Returns: the number of the last whole event, `nil` for none; and what else it was told than the begin of a stream.
    func wake() -> (last: UInt64?, fault: String?) {
        defer { Glibc.close(descriptor) }
        var (scanner, last, fault): (EventScanner, UInt64?, String?) = (EventScanner(), nil, nil)
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, Int32(truncatingIfNeeded: MSG_DONTWAIT))
            guard count > 0 else { break }
            _ = chunk[..<count].withUnsafeBytes { bytes in
                scanner.feed(bytes) { block in
                    switch block {
                    case .event(let sequence, _, _): last = sequence
                    case .control(let text): fault = "a stuck reader was told: \(text.prefix(200))"
                    case .hello, .heartbeat: break
                    }
                }
            }
        }
        guard scanner.status == 200 else { return (last, "a stuck reader was answered with status \(scanner.status)") }
        return (last, fault)
    }

    private static func socketAddress(_ bytes: [UInt8], _ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = bytes.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }.bigEndian
        return address
    }

    private static func with(
        _ address: inout sockaddr_in, _ call: (UnsafeMutablePointer<sockaddr>) -> Int32
    ) -> Int32 {
        withUnsafeMutablePointer(to: &address) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1, call) }
    }
}
