internal import CLongtakeProcess
import Glibc

/// Kills all descendants of this process, which must be a child subreaper: a process whose parent
/// ends becomes its child, also after `setsid`. So nothing is left when it has no children.
struct DescendantKiller {
    /// How long processes are stopped before they are killed.
    ///
    /// A process that is killed makes room below a limit on processes, and a fork bomb fills it. A
    /// process that is stopped makes no room and does not fork.
    private static let freezeTime = Duration.milliseconds(500)

    /// The program, which leads its process group.
    let program: pid_t
    let cgroup: Cgroup?
    /// After this time, processes that do not end are given up. The kernel holds a process for
    /// example while a disk does not answer. A fork bomb of 740 busy processes, each in a session
    /// of its own, took 7 s on two cores, because the scheduler gives this process no more time
    /// than each of them.
    var limit = Duration.seconds(30)

    /// What is known after the killing.
    struct Outcome {
        /// The status of the program (wait(2)); `nil` if it did not end.
        var status: CInt?
        /// How many processes did not end.
        var left = 0
    }

    /// Kills and reaps until nothing is left or the time is over.
    func run() -> Outcome {
        var outcome = Outcome()
        let start = ContinuousClock.now
        // The group is signalled before its leader is reaped. Afterwards another group could have
        // the number.
        Glibc.kill(-program, SIGSTOP)
        freeze(until: start + Self.freezeTime)
        Glibc.kill(-program, SIGKILL)
        cgroup?.kill()
        while !reap(into: &outcome) {
            let rest = ProcessTable.read().descendants(of: [getpid()])
            guard .now < start + limit else {
                outcome.left = rest.count
                break
            }
            for process in rest { process.signal(SIGKILL) }
            poll(nil, 0, 2)
        }
        return outcome
    }

    /// Stops all descendants, until none runs any more or the time is over.
    private func freeze(until deadline: ContinuousClock.Instant) {
        while .now < deadline, hasOthers {
            let running = ProcessTable.read().descendants(of: [getpid()]).filter { !$0.isStopped }
            if running.isEmpty { return }
            for process in running { process.signal(SIGSTOP) }
        }
    }

    /// Whether there may be a child besides the program that has ended. If the program was the only
    /// one, `/proc` need not be read.
    private var hasOthers: Bool {
        let child = longtake_exited_child()
        return child != -1 && !(child == program && isOnlyChild)
    }

    /// Whether the kernel knows no child besides the program. It reads `children` of the main
    /// thread (proc_pid_task_children(5)), which is exact here, because no other thread forks.
    private var isOnlyChild: Bool {
        let descriptor = open("/proc/self/task/\(getpid())/children", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(descriptor, &bytes, bytes.count)
        return count >= 0 && String(decoding: bytes[..<count], as: UTF8.self) == "\(program) "
    }

    /// Reaps all children that have ended.
    /// - Returns: whether there is no child any more.
    private func reap(into outcome: inout Outcome) -> Bool {
        while true {
            var status: CInt = 0
            let pid = waitpid(-1, &status, WNOHANG)
            if pid == program { outcome.status = status }
            if pid == 0 { return false }
            if pid < 0, errno != EINTR { return true }
        }
    }
}
