import FoundationEssentials
import Glibc

/// Facts about processes, from /proc (proc(5)).
enum ProcessTable {
    static func children(of parent: pid_t) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { self.parent(of: $0) == parent }
    }

    static func parent(of process: pid_t) -> pid_t? { stat(of: process).flatMap { $0.count > 1 ? pid_t($0[1]) : nil } }

    /// The processor time of all threads, also of those that have ended; `nil` if the process does
    /// not exist.
    static func nanosecondsOnCPU(of process: pid_t) -> Int? {
        var (clock, time) = (clockid_t(), timespec())
        guard clock_getcpuclockid(process, &clock) == 0, clock_gettime(clock, &time) == 0 else { return nil }
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    static func residentBytes(of process: pid_t) -> Int {
        let fields = ProcFile.text("/proc/\(process)/statm")?.split(separator: " ") ?? []
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * pageBytes : 0
    }

    /// The number of open descriptors; 0 if the process does not exist.
    static func descriptors(of process: pid_t) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count) ?? 0
    }

    static let pageBytes = sysconf(Int32(_SC_PAGESIZE))

    /// The fields of /proc/PID/stat after the name: state, parent, … The name can contain spaces
    /// and brackets.
    private static func stat(of process: pid_t) -> [Substring]? {
        guard let text = ProcFile.text("/proc/\(process)/stat"), let bracket = text.lastIndex(of: ")") else {
            return nil
        }
        return text[text.index(after: bracket)...].split(separator: " ")
    }
}

/// Reads files whose size is unknown, such as those in /proc.
enum ProcFile {
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

/// The TCP connections of this machine, from /proc/net/tcp (proc(5)).
enum SocketTable {
    /// One end of a connection.
    struct Entry: Sendable {
        /// Bytes that were written and have not been acknowledged.
        let unsentBytes: Int
        /// Whether a process has the socket open. The kernel keeps a closed socket until its bytes
        /// are acknowledged.
        let isOpen: Bool
    }

    /// The server's ends of the connections to a port, by the address of the client in the notation
    /// of the table.
    static func serverSockets(port: Int) -> [String: Entry] {
        let local = ":" + hexadecimal(port, digits: 4)
        var entries: [String: Entry] = [:]
        for line in (ProcFile.text("/proc/net/tcp") ?? "").utf8.split(separator: 0x0a).dropFirst() {
            let fields = line.split(separator: 0x20, maxSplits: 10)
            guard fields.count > 9, String(Substring(fields[1])).hasSuffix(local),
                String(Substring(fields[3])) != listening
            else { continue }
            let queued = fields[4].split(separator: UInt8(ascii: ":")).first.flatMap { Int(Substring($0), radix: 16) }
            entries[String(Substring(fields[2]))] = Entry(
                unsentBytes: queued ?? 0, isOpen: Substring(fields[9]) != "0")
        }
        return entries
    }

    /// An address in the notation of the table: the bytes of the IPv4 address in reverse order, and
    /// the port, in hexadecimal.
    static func notation(_ address: [UInt8], port: Int) -> String {
        address.reversed().map { hexadecimal(Int($0), digits: 2) }.joined() + ":" + hexadecimal(port, digits: 4)
    }

    private static let listening = "0A"

    private static func hexadecimal(_ number: Int, digits: Int) -> String {
        let text = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
