import Glibc

/// Measures the processor time and memory of some processes.
struct ProcessMeter: Sendable {
    let processes: [pid_t]

    /// The processor time until one moment.
    struct Reading: Sendable {
        fileprivate let at: ContinuousClock.Instant
        fileprivate let nanoseconds: Int
    }

    /// The processor time between two readings.
    struct Usage: Sendable {
        let cpuMicroseconds: Double
        let wallSeconds: Double

        /// The average number of busy processors.
        var cores: Double { wallSeconds > 0 ? cpuMicroseconds / 1e6 / wallSeconds : 0 }
    }

    /// Whether there is no process to measure. The process of a daemon at `--url` is unknown.
    var isEmpty: Bool { processes.isEmpty }

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

    /// Waits until the memory changes by less than a hundredth within a second, at most until
    /// `seconds` have passed.
    fileprivate func awaitSettledMemory(within seconds: Double) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        var last = residentBytes
        while .now < deadline {
            // This second is the interval whose change is measured.
            try await Task.sleep(for: .seconds(1))
            let now = residentBytes
            if abs(now - last) * 100 < max(now, 1) { return }
            last = now
        }
    }
}

/// The memory of some processes, and of the kernel, at one moment.
struct MemoryReading: Sendable {
    /// The resident memory of the processes.
    var residentBytes: Int
    /// The buffers of all TCP sockets of this machine. A loopback connection has two.
    var socketBytes: Int
    /// The slab memory of the kernel, for the whole machine. Each socket uses some of it.
    var slabBytes: Int

    init(_ meter: ProcessMeter) {
        residentBytes = meter.residentBytes
        socketBytes = KernelMemory.socketBytes
        slabBytes = KernelMemory.slabBytes
    }

    /// The maximum of each quantity.
    func maximum(_ other: MemoryReading) -> MemoryReading {
        var maximum = self
        maximum.residentBytes = max(residentBytes, other.residentBytes)
        maximum.socketBytes = max(socketBytes, other.socketBytes)
        maximum.slabBytes = max(slabBytes, other.slabBytes)
        return maximum
    }

    /// Reads the memory when that of the processes has settled, or when `seconds` have passed.
    static func settled(_ meter: ProcessMeter, within seconds: Double) async throws -> MemoryReading {
        try await meter.awaitSettledMemory(within: seconds)
        return MemoryReading(meter)
    }

    /// Reads the memory every 50 ms while `run` runs.
    /// - Returns: the result of `run`, and the maximum of each quantity.
    static func peak<Value: Sendable>(
        _ meter: ProcessMeter, during run: @Sendable () async throws -> Value
    ) async throws -> (value: Value, peak: MemoryReading) {
        try await withThrowingTaskGroup(of: MemoryReading.self) { group in
            group.addTask { await peakUntilCancelled(meter) }
            let value = try await run()
            group.cancelAll()
            var peak = MemoryReading(meter)
            for try await reading in group { peak = peak.maximum(reading) }
            return (value, peak)
        }
    }

    private static func peakUntilCancelled(_ meter: ProcessMeter) async -> MemoryReading {
        var peak = MemoryReading(meter)
        while !Task.isCancelled {
            // The sampling interval. The cancellation ends it early.
            try? await Task.sleep(for: .milliseconds(50))
            peak = peak.maximum(MemoryReading(meter))
        }
        return peak
    }
}

/// The memory of the kernel, from /proc (proc(5)).
private enum KernelMemory {
    /// `mem` in /proc/net/sockstat, which is in pages.
    static var socketBytes: Int {
        let lines = ProcFile.text("/proc/net/sockstat")?.split(separator: "\n") ?? []
        guard let fields = lines.first(where: { $0.hasPrefix("TCP:") })?.split(separator: " "),
            let index = fields.firstIndex(of: "mem"), index + 1 < fields.count
        else { return 0 }
        return (Int(fields[index + 1]) ?? 0) * ProcessTable.pageBytes
    }

    /// `Slab` in /proc/meminfo.
    static var slabBytes: Int {
        let lines = ProcFile.text("/proc/meminfo")?.split(separator: "\n") ?? []
        guard let line = lines.first(where: { $0.hasPrefix("Slab:") }) else { return 0 }
        return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 } ?? 0
    }
}
