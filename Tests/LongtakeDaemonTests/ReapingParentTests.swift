import FoundationEssentials
import Glibc
import LongtakeDaemonDriver
import Testing

/// The daemon as the first process of a PID namespace, as in a container.
@Suite(.enabled(if: getuid() == 0 && access("/usr/bin/unshare", X_OK) == 0 && access("/usr/bin/nsenter", X_OK) == 0))
struct ReapingParentTests {
    private static let wrapper = ["/usr/bin/unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]

    /// The children of a process, with their states.
    private func children(of pid: pid_t) -> [(pid: pid_t, state: Substring)] {
        let list = (try? String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)) ?? ""
        return list.split(separator: " ").compactMap { text in
            let status = (try? String(contentsOfFile: "/proc/\(text)/stat", encoding: .utf8)) ?? ""
            let fields = status.split(separator: ")").last?.split(separator: " ") ?? []
            return pid_t(text).map { ($0, fields.first ?? "") }
        }
    }

    private func waits(_ isMet: () -> Bool) -> Bool {
        for _ in 0..<4000 {
            if isMet() { return true }
            poll(nil, 0, 5)
        }
        return false
    }

    @Test("starts the daemon as a child, reaps orphans, and passes SIGTERM and the exit status on")
    func reaps() throws {
        let daemon = try DaemonProcess(wrapper: Self.wrapper)
        let first = try #require(children(of: daemon.pid).first).pid
        #expect(children(of: first).count == 1)
        let orphan = try DaemonProcess.run(
            [], wrapper: ["/usr/bin/nsenter", "-t", "\(first)", "-p", "/bin/sh", "-c", "sleep 0.5 & exit 0"])
        #expect(orphan.status == 0)
        #expect(waits { children(of: first).count == 2 })
        #expect(waits { children(of: first).count == 1 })
        #expect(children(of: first).allSatisfy { $0.state != "Z" })
        kill(first, SIGTERM)
        #expect(daemon.wait(within: 15) == 0)
    }

    @Test("ends with the daemon's status when the daemon is killed")
    func killed() throws {
        let daemon = try DaemonProcess(wrapper: Self.wrapper)
        let first = try #require(children(of: daemon.pid).first).pid
        kill(try #require(children(of: first).first).pid, SIGKILL)
        #expect(daemon.wait(within: 15) == 128 + SIGKILL)
    }
}
