import Glibc

/// Finds and kills the processes of programs whose supervisor cannot do it any more.
///
/// A program is found by the variable ``variable`` in its environment, a supervisor by the nonce in
/// its arguments, and other processes because they descend from one of these. A process that has
/// removed the variable, and whose parents have ended, is not found. It must have left its
/// parents before its supervisor died.
struct NonceSearch {
    /// The name of the variable.
    static let variable = "LONGTAKE_NONCE"

    let nonces: Set<String>
    /// The cgroups of the programs.
    var cgroups: [Cgroup] = []
    /// After this time, processes that do not end are given up.
    var limit = Duration.seconds(5)
    /// How long a supervisor may take to do the work itself. It sees more than this search.
    var patience = Duration.seconds(1)

    /// What the search did.
    struct Outcome: Hashable, Sendable {
        /// The processes that it killed.
        var killed = 0
        /// The processes that did not end in time.
        var left = 0
    }

    /// Kills until nothing is found or the time is over. It blocks.
    func killAll() -> Outcome {
        guard !nonces.isEmpty else { return Outcome() }
        let start = ContinuousClock.now
        var killed = Set<Name>()
        for cgroup in cgroups { cgroup.kill() }
        while true {
            let found = find()
            if found.programs.isEmpty, found.supervisors.isEmpty {
                for cgroup in cgroups { cgroup.remove() }
                return Outcome(killed: killed.count)
            }
            guard .now < start + limit else {
                return Outcome(killed: killed.count, left: found.programs.count + found.supervisors.count)
            }
            // As in ``DescendantKiller``: a process that is stopped does not fork, and still counts
            // against the limit on processes.
            let running = found.programs.filter { !$0.isStopped }
            if !running.isEmpty, .now < start + limit / 10 {
                for process in running { process.signal(SIGSTOP) }
                continue
            }
            for process in found.programs {
                process.signal(SIGKILL)
                killed.insert(Name(process))
            }
            if .now >= start + patience {
                for process in found.supervisors {
                    process.signal(SIGKILL)
                    killed.insert(Name(process))
                }
            }
            poll(nil, 0, 5)
        }
    }

    /// A process, as distinct from another with the same pid.
    private struct Name: Hashable {
        let pid: pid_t
        let startTime: UInt64

        init(_ process: SystemProcess) { (pid, startTime) = (process.pid, process.startTime) }
    }

    private struct Found {
        var supervisors: [SystemProcess] = []
        var programs: [SystemProcess] = []
    }

    private func find() -> Found {
        let table = ProcessTable.read()
        let own = getpid()
        var found = Found()
        for process in table.processes where process.pid != own && !process.isEnded {
            if isSupervisor(process.pid) {
                found.supervisors.append(process)
            } else if isProgram(process.pid) {
                found.programs.append(process)
            }
        }
        let known = Set((found.supervisors + found.programs).map(\.pid))
        found.programs += table.descendants(of: known).filter { !known.contains($0.pid) && $0.pid != own }
        return found
    }

    private func isSupervisor(_ pid: pid_t) -> Bool {
        let words = Self.words(of: "/proc/\(pid)/cmdline")
        return words.count >= 3 && words[1] == "supervise" && nonces.contains(words[2])
    }

    private func isProgram(_ pid: pid_t) -> Bool {
        Self.words(of: "/proc/\(pid)/environ").contains { word in
            word.hasPrefix(Self.variable + "=") && nonces.contains(String(word.dropFirst(Self.variable.utf8.count + 1)))
        }
    }

    /// The words of a file of `/proc` that ends each one with a zero byte. At most 2 MiB are read,
    /// which is the most that the kernel lets a program start with.
    private static func words(of path: String) -> [String] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while bytes.count < 2 << 20 {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        return bytes.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    }
}
