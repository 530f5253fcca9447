import Dispatch
import Glibc
import LongtakeCore
import LongtakeHTTP

/// Facts about this process: its use of resources, its environment and its memory.
enum OwnProcess {
    /// The current use of resources. The cost does not depend on the size of the process.
    static func usage(startedAt: Timestamp) -> ProcessUsage {
        ProcessUsage(
            startedAt: startedAt, cpuSeconds: cpuSeconds, residentBytes: residentBytes,
            openDescriptors: openDescriptors, maxDescriptors: DescriptorLimit.current)
    }

    private static var cpuSeconds: Double? {
        var time = timespec()
        guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return nil }
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// The second number of `/proc/self/statm` (proc_pid_statm(5)), in pages.
    private static var residentBytes: Int? {
        let descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let fields = String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
        return pages * sysconf(CInt(_SC_PAGESIZE))
    }

    /// The number of open descriptors, which is the size of `/proc/self/fd` since Linux 6.2.
    /// Before, the size is 0 and the number is `nil`, because counting 20,000 entries takes tens of
    /// milliseconds.
    private static var openDescriptors: Int? {
        var status = stat()
        guard stat("/proc/self/fd", &status) == 0, status.st_size > 0 else { return nil }
        return Int(status.st_size)
    }

    /// The environment variables of the process.
    static var environment: [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let line = entry.pointee {
            let text = String(cString: line)
            if let equals = text.firstIndex(of: "=") {
                variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            entry += 1
        }
        return variables
    }

    private typealias MallocTrim = @convention(c) (Int) -> CInt

    /// glibc's `malloc_trim(3)`, which is not in the headers that Swift imports; `nil` with other
    /// libraries.
    private static let trim = dlsym(nil, "malloc_trim").map { unsafeBitCast($0, to: MallocTrim.self) }

    /// Returns free memory of the allocator to the system. It uses another thread, because that
    /// takes milliseconds.
    ///
    /// Without this call the allocator returns only memory at the end of its arenas. After many
    /// streams have closed, most of their memory would stay allocated.
    @Sendable static func releaseMemory() {
        guard let trim else { return }
        DispatchQueue.global(qos: .utility).async { _ = trim(0) }
    }
}

/// The maximum number of files and sockets that the process may have open (setrlimit(2)).
enum DescriptorLimit {
    /// Descriptors that are reserved for other uses than connections: listeners, a backup, files in
    /// `/proc`.
    private static func reserve(of limit: Int) -> Int { min(128, limit / 4) }

    /// The maximum number of connections, and of streams among them. The rest stays free for the
    /// daemon's own files, and requests still get a connection when the maximum number of streams
    /// is open.
    /// - Parameter open: the number of descriptors that are open after the database and the event
    ///   loops have started.
    static func budget(in limit: Int, open: Int = openCount) -> (connections: Int, streams: Int) {
        let connections = min(HTTPLimits.connections, max(4, limit - open - reserve(of: limit)))
        return (connections, connections - min(64, connections / 4))
    }

    static var openCount: Int {
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return count
    }

    /// The limit in force; `nil` if there is none or it cannot be read.
    static var current: Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0 else { return nil }
        return Int(exactly: limit.rlim_cur)
    }

    /// Raises the limit to the maximum that the system allows.
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
