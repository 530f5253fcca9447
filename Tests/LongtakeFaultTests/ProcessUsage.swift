import FoundationEssentials
import Glibc
import LongtakeDaemonDriver

/// The resources that a daemon uses, from `/proc`.
struct ProcessUsage {
    let pid: pid_t

    init(_ daemon: DaemonProcess) { pid = daemon.pid }

    /// The processor time so far.
    var cpuSeconds: Double {
        // Fields 14 and 15 of the file, in hundredths of a second (proc(5)). Field 2, the name, is
        // in brackets and may contain spaces.
        let fields = text("stat").split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 13 else { return 0 }
        return ((Double(fields[11]) ?? 0) + (Double(fields[12]) ?? 0)) / 100
    }

    /// The resident memory.
    var residentKiB: Int {
        let line = text("status").split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
    }

    /// The number of open files and sockets.
    var descriptors: Int {
        guard let directory = opendir("/proc/\(pid)/fd") else { return 0 }
        defer { closedir(directory) }
        var count = -2
        while readdir(directory) != nil { count += 1 }
        return count
    }

    /// Waits until `condition` holds.
    /// - Returns: whether it held in time.
    static func wait(upTo seconds: Double, until condition: () throws -> Bool) rethrows -> Bool {
        let deadline = Deadline(seconds)
        while try !condition() {
            if deadline.isOver { return false }
            poll(nil, 0, 20)
        }
        return true
    }

    private func text(_ name: String) -> String {
        (try? String(contentsOfFile: "/proc/\(pid)/\(name)", encoding: .utf8)) ?? ""
    }
}

/// Runs a program that a test needs, and waits for its end.
enum Tool {
    struct Failure: Error { let status: CInt }

    /// Whether the program can be executed.
    static func exists(_ path: String) -> Bool { access(path, X_OK) == 0 }

    /// Runs a program to its end.
    /// - Returns: what it has written to its standard streams.
    /// - Throws: ``Failure`` if it does not exit with 0.
    static func output(_ command: String...) throws -> String {
        let directory = try DaemonProcess.temporaryDirectory()
        defer { DaemonProcess.remove(directory) }
        let path = directory + "/out"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        let pid = try DaemonProcess.spawn(path: command[0], command, [], &actions)
        var status: CInt = 0
        guard waitpid(pid, &status, 0) == pid, status == 0 else { throw Failure(status: status) }
        return try String(contentsOfFile: path, encoding: .utf8)
    }

    static func run(_ command: String...) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let pid = try DaemonProcess.spawn(path: command[0], command, [], &actions)
        var status: CInt = 0
        guard waitpid(pid, &status, 0) == pid, status == 0 else { throw Failure(status: status) }
    }
}
