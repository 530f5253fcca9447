internal import CLongtakeProcess
import Glibc

/// A process of this machine.
struct SystemProcess: Hashable, Sendable {
    let pid: pid_t
    let parent: pid_t
    /// In clock ticks since the boot. With the pid it names one process for as long as the machine
    /// runs.
    let startTime: UInt64
    /// Whether it has ended and only waits to be reaped.
    let isEnded: Bool
    let isStopped: Bool

    init(_ process: longtake_process) {
        (pid, parent, startTime) = (process.pid, process.parent, process.start_time)
        let state = UInt8(bitPattern: process.state)
        isEnded = [UInt8(ascii: "Z"), UInt8(ascii: "X"), UInt8(ascii: "x")].contains(state)
        isStopped = [UInt8(ascii: "T"), UInt8(ascii: "t")].contains(state)
    }

    /// Reads one process; `nil` if there is none with this pid.
    init?(pid: pid_t) {
        var process = longtake_process()
        guard longtake_process_read(pid, &process) == 0 else { return nil }
        self.init(process)
    }

    /// Sends a signal to this process, and never to another that has got its pid.
    func signal(_ number: CInt) { _ = longtake_process_signal(pid, startTime, number) }
}

/// The processes of this machine at one moment.
struct ProcessTable {
    let processes: [SystemProcess]

    /// Reads `/proc`. A process that ends or starts meanwhile may be missing.
    static func read() -> ProcessTable {
        var capacity = 1024
        while true {
            var count = 0
            let processes = [longtake_process](unsafeUninitializedCapacity: capacity) { buffer, used in
                count = longtake_processes(buffer.baseAddress, capacity)
                used = max(0, min(count, capacity))
            }
            if count <= capacity { return ProcessTable(processes: processes.map(SystemProcess.init)) }
            capacity = count * 2
        }
    }

    /// All children of the given processes, their children, and so on, without those that have
    /// already ended.
    func descendants(of ancestors: some Sequence<pid_t>) -> [SystemProcess] {
        let children = Dictionary(grouping: processes, by: \.parent)
        var seen = Set(ancestors)
        var found: [SystemProcess] = []
        var next = Array(seen)
        while let parent = next.popLast() {
            for child in children[parent] ?? [] where seen.insert(child.pid).inserted {
                next.append(child.pid)
                if !child.isEnded { found.append(child) }
            }
        }
        return found
    }
}
