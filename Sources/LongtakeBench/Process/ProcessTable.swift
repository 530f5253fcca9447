import FoundationEssentials
import Glibc

/// What /proc (proc(5)) tells of processes.
enum ProcessTable {
    static func children(of parent: pid_t) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { self.parent(of: $0) == parent }
    }

    static func parent(of process: pid_t) -> pid_t? { stat(of: process).flatMap { $0.count > 1 ? pid_t($0[1]) : nil } }

    /// User and system time in clock ticks; 0 for a process that is gone.
    static func ticks(of process: pid_t) -> (user: Int, system: Int) {
        guard let fields = stat(of: process), fields.count > 12 else { return (0, 0) }
        return (Int(fields[11]) ?? 0, Int(fields[12]) ?? 0)
    }

    /// The time on a processor of all threads in nanoseconds; `nil` where the kernel keeps no such account.
    static func nanosecondsOnCPU(of process: pid_t) -> Int? {
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")) ?? []
        let times = threads.compactMap { thread -> Int? in
            SystemFile.text("/proc/\(process)/task/\(thread)/schedstat")?.split(separator: " ").first.flatMap {
                Int($0)
            }
        }
        return times.isEmpty ? nil : times.reduce(0, +)
    }

    static func residentBytes(of process: pid_t) -> Int {
        let fields = SystemFile.text("/proc/\(process)/statm")?.split(separator: " ") ?? []
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * pageBytes : 0
    }

    /// The most that was ever resident (`VmHWM`).
    static func peakResidentBytes(of process: pid_t) -> Int {
        let lines = SystemFile.text("/proc/\(process)/status")?.split(separator: "\n") ?? []
        guard let line = lines.first(where: { $0.hasPrefix("VmHWM:") }) else { return 0 }
        return line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }.map { $0 * 1024 } ?? 0
    }

    static let pageBytes = sysconf(Int32(_SC_PAGESIZE))
    static let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))

    /// The fields of /proc/PID/stat behind the name, which may have spaces and brackets itself: state, parent, …
    private static func stat(of process: pid_t) -> [Substring]? {
        guard let text = SystemFile.text("/proc/\(process)/stat"), let bracket = text.lastIndex(of: ")") else {
            return nil
        }
        return text[text.index(after: bracket)...].split(separator: " ")
    }
}

/// Files of /proc: they have no size beforehand, so they are read until they end.
enum SystemFile {
    static func text(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var (bytes, chunk) = ([UInt8](), [UInt8](repeating: 0, count: 64 * 1024))
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil }
            bytes += chunk[..<count]
        }
    }
}
