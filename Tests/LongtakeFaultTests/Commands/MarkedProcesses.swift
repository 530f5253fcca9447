import FoundationEssentials
import Glibc
import LongtakeDaemonDriver

/// Finds the processes whose environment contains a variable, with their descendants in any
/// session, from `/proc`. Processes that have ended but were not waited for have no environment.
struct MarkedProcesses: Sendable {
    /// `NAME=value`.
    let variable: String

    var all: [pid_t] {
        Self.processes.filter { pid in
            Self.text(pid, "environ").split(separator: "\0").contains { $0 == variable }
        }
    }

    /// Waits until no such process is left.
    /// - Returns: the processes that are left, and how long that took.
    func waitForEnd(within seconds: Double) -> (left: [pid_t], time: Duration) {
        let begin = ContinuousClock.now
        let deadline = Deadline(seconds)
        var left = all
        while !left.isEmpty, !deadline.isOver {
            poll(nil, 0, 10)
            left = all
        }
        return (left, .now - begin)
    }

    /// Waits until there is such a process.
    func waitForStart(within seconds: Double) -> Bool { ProcessUsage.wait(upTo: seconds) { !all.isEmpty } }

    /// What the process is, for messages.
    static func describe(_ pids: [pid_t]) -> [String] {
        pids.map { "\($0) \(text($0, "cmdline").replacing("\0", with: " "))" }
    }

    /// The children of a process.
    static func children(of parent: pid_t) -> [pid_t] {
        processes.filter { pid in
            // Field 4, after the name in brackets (proc(5)).
            let fields = text(pid, "stat").split(separator: ")").last?.split(separator: " ") ?? []
            return fields.count > 1 && pid_t(fields[1]) == parent && fields[0] != "Z"
        }
    }

    /// Whether the process exists and has not ended.
    static func isRunning(_ pid: pid_t) -> Bool {
        let fields = text(pid, "stat").split(separator: ")").last?.split(separator: " ") ?? []
        return !fields.isEmpty && fields[0] != "Z"
    }

    private static var processes: [pid_t] {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap { pid_t($0) } ?? []
    }

    private static func text(_ pid: pid_t, _ name: String) -> String {
        (try? String(contentsOfFile: "/proc/\(pid)/\(name)", encoding: .utf8)) ?? ""
    }
}
