import Glibc
import NIOCore

/// An address on which the daemon listens.
public enum ListenAddress: Hashable, Sendable {
    /// A host name or IP address, and a port; port 0 means any free port.
    case tcp(host: String, port: Int)
    /// The path of a Unix domain socket, and the permissions and group of its file. See
    /// ``UnixSocketFile``.
    case unix(path: String, mode: UInt32 = 0o660, group: UInt32? = nil)
    /// A listening socket that the parent process has opened (systemd socket activation).
    case inherited(descriptor: CInt)
}

extension ListenAddress {
    /// Whether only programs on this machine can reach the address.
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

    /// The address for people, such as `http://127.0.0.1:8080`, `unix:/run/longtake.sock` or
    /// `inherited:http://[::1]:8080`.
    /// - Parameter port: the port that a TCP address has got.
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
                // The name of an abstract socket begins with a zero byte, written as “@” (unix(7)).
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

    /// The address of an inherited socket; `nil` if its family is unknown.
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
    /// Loopback as in RFC 1122 §3.2.1.3 and RFC 4291 §2.5.3.
    fileprivate var isLoopback: Bool {
        switch self {
        case .v4: ipAddress?.hasPrefix("127.") == true
        case .v6: ipAddress == "::1" || ipAddress?.hasPrefix("::ffff:127.") == true
        case .unixDomainSocket: true
        }
    }
}

/// Why the daemon cannot listen on an address. The description says what is wrong and what to do.
public struct ListenFailure: Error, Hashable, CustomStringConvertible {
    /// The setting that causes the failure.
    public enum Subject: Hashable, Sendable {
        case host, port, unixSocket, unixSocketGroup
        /// A socket that the parent process has opened.
        case inherited
    }

    public let subject: Subject
    public let description: String
    /// The error number of the system; 0 if there is none.
    let code: CInt

    init(_ subject: Subject, _ description: String, code: CInt = 0) {
        self.subject = subject
        self.description = description
        self.code = code
    }

    /// Describes an error of bind(2) or listen(2) for a TCP address.
    static func tcp(_ host: String, _ port: Int, _ code: CInt) -> ListenFailure {
        switch code {
        case EADDRINUSE:
            ListenFailure(
                .port, "Port \(port) is already in use. Stop the other program or choose another port with --port.",
                code: code)
        case EACCES, EPERM:
            ListenFailure(
                .port,
                "The daemon may not listen on port \(port). Choose a port from 1024 on with --port, or give the daemon the capability CAP_NET_BIND_SERVICE.",
                code: code)
        case EADDRNOTAVAIL:
            ListenFailure(
                .host, "This machine does not have the address \(host). Choose one of its addresses with --host.",
                code: code)
        case EAFNOSUPPORT:
            ListenFailure(
                .host, "This machine does not support addresses such as \(host). Choose another one with --host.",
                code: code)
        default:
            ListenFailure(
                .host,
                "Cannot listen on \(host) and port \(port): \(String(cString: strerror(code))). Choose another address with --host and --port.",
                code: code)
        }
    }

    static func unknownHost(_ host: String) -> ListenFailure {
        ListenFailure(
            .host, "The host name \(host) has no address here. Correct it, or choose an address with --host.")
    }

    /// Another entry of `http.host` resolves to the same address.
    static func repeated(_ host: String, _ address: SocketAddress) -> ListenFailure {
        ListenFailure(
            .host,
            "\(host) resolves to \(address.ipAddress ?? host), which is listed as well. Name each address once in http.host (--host)."
        )
    }

    /// Describes an error of a system call for the Unix socket at a path.
    static func unix(_ path: String, _ code: CInt) -> ListenFailure {
        let directory = UnixSocketFile.directory(of: path)
        let remedy = "or choose another path with --unix-socket."
        let text =
            switch code {
            case ENOENT: "The directory \(directory) of the Unix socket does not exist. Create it, \(remedy)"
            case ENOTDIR: "\(directory) is not a directory, so no Unix socket can be in it. Correct the path, \(remedy)"
            case EACCES, EPERM:
                "The daemon may not create a Unix socket in \(directory). Let its user write to that directory, \(remedy)"
            case EROFS: "\(directory) is on a file system that is mounted read-only. Mount it writable, \(remedy)"
            default:
                "Cannot listen on the Unix socket \(path): \(String(cString: strerror(code))). Correct the cause, \(remedy)"
            }
        return ListenFailure(.unixSocket, text, code: code)
    }
}
