import Glibc

/// The ports of a TCP connection over IPv4.
package enum SocketPort {
    /// Of this end; `nil` if the descriptor is no such socket.
    package static func local(of descriptor: CInt) -> UInt16? { port(of: descriptor, getsockname) }

    /// Of the other end; `nil` if the descriptor is no such socket or has no other end.
    package static func peer(of descriptor: CInt) -> UInt16? { port(of: descriptor, getpeername) }

    private typealias Lookup = (CInt, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt

    private static func port(of descriptor: CInt, _ look: Lookup) -> UInt16? {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { look(descriptor, $0, &length) }
        }
        return result == 0 && address.sin_family == sa_family_t(AF_INET) ? UInt16(bigEndian: address.sin_port) : nil
    }
}
