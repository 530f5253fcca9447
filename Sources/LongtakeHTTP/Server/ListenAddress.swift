import Glibc
import NIOCore

/// Where the daemon listens.
public enum ListenAddress: Hashable, Sendable {
    /// A host name or address, and a port; 0 for one that is free.
    case tcp(host: String, port: Int)
    /// The path of a Unix domain socket, with the permissions and the group of its file; see ``UnixSocketFile``.
    case unix(path: String, mode: UInt32 = 0o660, group: UInt32? = nil)
    /// A listening socket that was opened by whoever started the daemon (systemd's socket activation).
    case inherited(descriptor: CInt)
}

extension ListenAddress {
    /// Whether only programs of this machine can reach it.
    public var isLoopback: Bool {
        switch self {
        case .tcp(let host, _):
            host.lowercased() == "localhost" || (try? SocketAddress(ipAddress: host, port: 0))?.isLoopback == true
        case .unix:
            true
        case .inherited(let descriptor):
            Self.bound(descriptor).map(\.isLoopback) ?? false
        }
    }

    /// As a person would write it, such as `http://127.0.0.1:8080`, `unix:/run/longtake.sock` or `inherited:http://[::1]:8080`.
    /// - Parameter port: the one that a TCP address got.
    func described(port: Int?) -> String {
        switch self {
        case .tcp(let host, let wanted): Self.url(host, port ?? wanted)
        case .unix(let path, _, _): "unix:\(path)"
        case .inherited(let descriptor): "inherited:\(Self.described(descriptor))"
        }
    }

    private static func described(_ descriptor: CInt) -> String {
        switch bound(descriptor) {
        case nil: "\(descriptor)"
        case .unixDomainSocket(let address):
            withUnsafeBytes(of: address.address.sun_path) { bytes in
                // An abstract socket's name begins with a zero byte, written “@” (unix(7)).
                let isAbstract = bytes.first == 0
                let name = bytes.dropFirst(isAbstract ? 1 : 0).prefix { $0 != 0 }
                return "unix:\(isAbstract ? "@" : "")\(String(decoding: name, as: UTF8.self))"
            }
        case let address?: url(address.ipAddress ?? "", address.port ?? 0)
        }
    }

    private static func url(_ host: String, _ port: Int) -> String {
        "http://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }

    /// Where an inherited socket listens; `nil` where that is no address of a kind that we know.
    private static func bound(_ descriptor: CInt) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        var domain: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard getsockname(descriptor, address, &length) == 0,
                    getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0
                else { return nil }
                switch domain {
                case AF_INET:
                    return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { SocketAddress($0.pointee) }
                case AF_INET6:
                    return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { SocketAddress($0.pointee) }
                case AF_UNIX:
                    return address.withMemoryRebound(to: sockaddr_un.self, capacity: 1) { SocketAddress($0.pointee) }
                default:
                    return nil
                }
            }
        }
    }
}

extension SocketAddress {
    /// RFC 1122 §3.2.1.3, RFC 4291 §2.5.3.
    fileprivate var isLoopback: Bool {
        switch self {
        case .v4: ipAddress?.hasPrefix("127.") == true
        case .v6: ipAddress == "::1" || ipAddress?.hasPrefix("::ffff:127.") == true
        case .unixDomainSocket: true
        }
    }
}
