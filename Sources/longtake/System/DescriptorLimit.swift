import Glibc

/// The number of files and sockets that the process may have open (setrlimit(2)).
enum DescriptorLimit {
    /// Descriptors that are not for clients: the database, its readers, listeners, event loops, standard streams.
    static let reserve = 128

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
