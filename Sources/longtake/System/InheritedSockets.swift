import Glibc

/// Listening sockets that whoever started the process opened for it (sd_listen_fds(3)).
enum InheritedSockets {
    /// The first descriptor that is passed.
    private static let first: CInt = 3

    /// Takes the sockets over: they are not passed on to children, and the variables that announce them are removed.
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
