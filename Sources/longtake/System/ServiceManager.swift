import Glibc

/// Sends the daemon's status to the service manager, one datagram per message (sd_notify(3)).
/// Without a service manager it does nothing.
struct ServiceManager: Sendable {
    private let path: String?
    /// The watchdog interval; `nil` if the watchdog is off.
    let watchdogInterval: Duration?

    init(environment: [String: String]) {
        path = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
        let isForUs = environment["WATCHDOG_PID"].map { Int32($0) == getpid() } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int64($0) }
        watchdogInterval = isForUs ? microseconds.map { .microseconds($0) } : nil
    }

    /// Sends lines such as `READY=1`.
    func notify(_ lines: String...) {
        guard let path else { return }
        let descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        // If the service manager does not read, the message is lost after 250 ms, and the daemon
        // goes on.
        var timeout = timeval(tv_sec: 0, tv_usec: 250_000)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        // The name of an abstract socket begins with a zero byte, which is written as “@”
        // (unix(7)).
        if bytes.first == 0x40 { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let message = Array(lines.joined(separator: "\n").utf8)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(descriptor, message, message.count, CInt(MSG_NOSIGNAL), $0, length)
            }
        }
    }
}

/// Listening sockets that the service manager opened for the daemon (sd_listen_fds(3)).
enum InheritedSockets {
    /// The first inherited descriptor.
    private static let first: CInt = 3

    /// Returns the sockets. Child processes do not inherit them, and the variables that describe
    /// them are removed.
    static func take(environment: [String: String]) -> [CInt] {
        defer {
            for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) }
        }
        guard environment["LISTEN_PID"].flatMap({ Int32($0) }) == getpid(),
            let count = environment["LISTEN_FDS"].flatMap({ CInt($0) }), (1...64).contains(count)
        else { return [] }
        let descriptors = Array(first..<(first + count))
        for descriptor in descriptors { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        return descriptors
    }
}
