import Glibc

/// The number of sockets that this process may have open (setrlimit(2)).
enum DescriptorRoom {
    /// Raises the limit to what the system allows; children inherit it.
    @discardableResult
    static func raise() -> Int {
        var limit = rlimit()
        let resource = __rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue))
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        limit.rlim_cur = limit.rlim_max
        guard setrlimit(resource, &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_cur)
    }

    /// - Throws: where `sockets` and a reserve for all else would not fit.
    static func check(sockets: Int) throws {
        let most = raise() - 256
        guard sockets <= most else {
            throw BenchFailure(
                "\(sockets) connections need more descriptors than this process may have (\(most + 256))")
        }
    }
}
