import Glibc
import LongtakeCommands

/// The first process of a container (PID 1), if that is the daemon. It starts the daemon as its
/// child, passes signals on, and reaps the orphans that the kernel gives it.
///
/// The daemon itself cannot do that: it would take the exit status of a child for which another
/// part of it waits.
enum ReapingParent {
    /// The signals that are passed on. The kernel sends the others because of something that this
    /// process does.
    private static let passed = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT]

    /// Starts this program again as a child, and returns when the child has ended. Its remaining
    /// descendants end with this process.
    /// - Returns: the child's exit status, or 128 and the number of the signal that killed it.
    static func run() -> CInt {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in passed + [SIGCHLD] { sigaddset(&signals, number) }
        // Before the child starts, so that no signal is lost.
        sigprocmask(SIG_BLOCK, &signals, nil)
        do {
            let child = try ChildProcess.start(path: "/proc/self/exe")
            return wait(for: child, signals: &signals)
        } catch {
            StandardStreams.write("longtake: the daemon cannot be started: \(error)\n", to: .error)
            return 1
        }
    }

    private static func wait(for child: pid_t, signals: inout sigset_t) -> CInt {
        while true {
            if let status = reap(until: child) { return status }
            var information = siginfo_t()
            let number = sigwaitinfo(&signals, &information)
            if number > 0, number != SIGCHLD { kill(child, number) }
        }
    }

    /// Reaps all children that have ended.
    /// - Returns: the exit status of `child` if it was among them.
    private static func reap(until child: pid_t) -> CInt? {
        var result: CInt?
        var status: CInt = 0
        while true {
            let pid = waitpid(-1, &status, WNOHANG)
            if pid == child { result = status & 0x7f == 0 ? status >> 8 & 0xff : 128 + (status & 0x7f) }
            if pid == 0 || pid < 0 && errno != EINTR { return result }
        }
    }
}
