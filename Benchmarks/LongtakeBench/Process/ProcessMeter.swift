import Glibc

/// The processor time and memory of some server processes, from outside.
struct ProcessMeter: Sendable {
    let processes: [pid_t]

    /// Where the accounts stand at one time.
    struct Reading: Sendable {
        fileprivate let at: ContinuousClock.Instant
        fileprivate let nanoseconds: Int
    }

    /// What was used between two readings.
    struct Usage: Sendable {
        let cpuMicroseconds: Double
        let wallSeconds: Double

        /// How many processors were busy on average.
        var cores: Double { wallSeconds > 0 ? cpuMicroseconds / 1e6 / wallSeconds : 0 }
    }

    /// Whether there is a process to measure: a daemon that runs elsewhere has none that we know.
    var isBlind: Bool { processes.isEmpty }

    func read() -> Reading {
        let nanoseconds = processes.map { ProcessTable.nanosecondsOnCPU(of: $0) ?? 0 }.reduce(0, +)
        return Reading(at: .now, nanoseconds: nanoseconds)
    }

    func usage(since begin: Reading) -> Usage {
        let end = read()
        return Usage(
            cpuMicroseconds: Double(end.nanoseconds - begin.nanoseconds) / 1e3,
            wallSeconds: (end.at - begin.at) / .seconds(1))
    }

    var residentBytes: Int { processes.map(ProcessTable.residentBytes).reduce(0, +) }

    /// Waits until the memory changes by less than a hundredth from one second to the next.
    func settledResidentBytes(within seconds: Double) async throws -> Int {
        let deadline = Deadline(seconds)
        var last = residentBytes
        while !deadline.isOver {
            try await Task.sleep(for: .seconds(1))
            let now = residentBytes
            if abs(now - last) * 100 < max(now, 1) { return now }
            last = now
        }
        return last
    }
}
