import Glibc
import NIOCore

/// Why the daemon cannot listen on an address: a sentence that says what is wrong, and one that says what to do.
public struct ListenFailure: Error, Hashable, CustomStringConvertible {
    /// The setting whose value does not work.
    public enum Subject: Hashable, Sendable {
        case host, port, unixSocket, unixSocketGroup
        /// A socket that whoever started the daemon has opened.
        case inherited
    }

    public let subject: Subject
    public let description: String
    /// The system's error; 0 if it has told none.
    let code: CInt

    init(_ subject: Subject, _ description: String, code: CInt = 0) {
        self.subject = subject
        self.description = description
        self.code = code
    }

    /// What an error of bind(2) or listen(2) means for a TCP address.
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

    /// Another member of `http.host` stands for the same address.
    static func repeated(_ host: String, _ address: SocketAddress) -> ListenFailure {
        ListenFailure(
            .host,
            "\(host) stands for \(address.ipAddress ?? host), which is listed as well. Name each address once in http.host (--host)."
        )
    }

    /// What an error of a system call means for the Unix socket at a path.
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
                "Cannot listen on the Unix socket \(path): \(String(cString: strerror(code))). Mend that, \(remedy)"
            }
        return ListenFailure(.unixSocket, text, code: code)
    }
}
