import Glibc
import LongtakeCore

/// The number of files and sockets that the process may have open (setrlimit(2)).
enum DescriptorLimit {
    /// Descriptors that may still be opened for something else than a client: listeners, a copy of the database, a look into `/proc`.
    private static func reserve(of limit: Int) -> Int { min(128, limit / 4) }

    /// How many connections there may be, and how many of them streams, so that what the daemon itself has open stays open, and requests
    /// get in where all streams are taken.
    /// - Parameter open: how many descriptors are open now, when the database and the event loops have theirs.
    static func room(in limit: Int, open: Int = openCount) -> (connections: Int, streams: Int) {
        let connections = min(Limits.connections, max(4, limit - open - reserve(of: limit)))
        return (connections, connections - min(64, connections / 4))
    }

    static var openCount: Int {
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return count
    }

    /// The limit in force; `nil` where there is none, or the system does not tell.
    static var current: Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0 else { return nil }
        return Int(exactly: limit.rlim_cur)
    }

    /// Raises the limit to what the system allows.
    /// - Returns: the limit in force.
    static func raise() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0 else { return 1024 }
        if limit.rlim_cur < limit.rlim_max {
            var wanted = limit
            wanted.rlim_cur = limit.rlim_max
            if setrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &wanted) == 0 { limit = wanted }
        }
        return Int(clamping: limit.rlim_cur)
    }
}
