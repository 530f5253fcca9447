import Glibc
import LongtakeCore
import LongtakeHTTP

/// What the system tells of this process, at a cost that does not grow with it.
enum OwnProcess {
    static func usage(startedAt: Timestamp) -> ProcessUsage {
        ProcessUsage(
            startedAt: startedAt, cpuSeconds: cpuSeconds, residentBytes: residentBytes,
            openDescriptors: openDescriptors, mostDescriptors: DescriptorLimit.current)
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

    /// The size of `/proc/self/fd`, which is their number since Linux 6.2 and 0 before. Counting the entries takes tens of milliseconds where
    /// there are 20,000, so there it is not told.
    private static var openDescriptors: Int? {
        var status = stat()
        guard stat("/proc/self/fd", &status) == 0, status.st_size > 0 else { return nil }
        return Int(status.st_size)
    }
}
