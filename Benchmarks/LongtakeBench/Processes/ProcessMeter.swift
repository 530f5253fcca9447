import Glibc
import Synchronization

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

/// The memory behind some servers at one time, theirs and the kernel's.
struct MemoryReading: Sendable {
    /// What the servers have resident.
    var residentBytes: Int
    /// The buffers of all TCP sockets of this machine, see ``KernelMemory``.
    var socketBytes: Int
    /// The kernel's small objects, of the whole machine.
    var slabBytes: Int

    init(_ meter: ProcessMeter) {
        residentBytes = meter.residentBytes
        socketBytes = KernelMemory.socketBytes
        slabBytes = KernelMemory.slabBytes
    }

    /// The larger of each.
    func most(_ other: MemoryReading) -> MemoryReading {
        var most = self
        most.residentBytes = max(residentBytes, other.residentBytes)
        most.socketBytes = max(socketBytes, other.socketBytes)
        most.slabBytes = max(slabBytes, other.slabBytes)
        return most
    }

    /// Waits until the servers' memory changes by less than a hundredth from one second to the next.
    static func settled(_ meter: ProcessMeter, within seconds: Double) async throws -> MemoryReading {
        _ = try await meter.settledResidentBytes(within: seconds)
        return MemoryReading(meter)
    }
}

/// Reads the memory again and again while something runs, and keeps the most.
struct MemoryPeak: Sendable {
    /// - Returns: what `run` returned, and the most of each quantity that was seen every 50 ms meanwhile.
    static func during<Value: Sendable>(
        _ meter: ProcessMeter, _ run: @Sendable () async throws -> Value
    ) async throws -> (value: Value, peak: MemoryReading) {
        let isOver = RaisedFlag()
        async let peak = watch(meter, until: isOver)
        defer { isOver.raise() }
        let value = try await run()
        isOver.raise()
        return (value, try await peak)
    }

    private static func watch(_ meter: ProcessMeter, until isOver: RaisedFlag) async throws -> MemoryReading {
        var peak = MemoryReading(meter)
        while !isOver.isRaised {
            try await Task.sleep(for: .milliseconds(50))
            peak = peak.most(MemoryReading(meter))
        }
        return peak
    }
}

/// The memory that the kernel holds for the buffers of all TCP sockets here, of both ends of a loopback connection.
enum KernelMemory {
    /// `mem` of /proc/net/sockstat, which counts pages.
    static var socketBytes: Int {
        let lines = SystemFile.text("/proc/net/sockstat")?.split(separator: "\n") ?? []
        guard let fields = lines.first(where: { $0.hasPrefix("TCP:") })?.split(separator: " "),
            let place = fields.firstIndex(of: "mem"), place + 1 < fields.count
        else { return 0 }
        return (Int(fields[place + 1]) ?? 0) * ProcessTable.pageBytes
    }

    /// What the kernel holds in small objects, of which each socket has some (`Slab` of /proc/meminfo); of the whole machine.
    static var slabBytes: Int {
        let lines = SystemFile.text("/proc/meminfo")?.split(separator: "\n") ?? []
        guard let line = lines.first(where: { $0.hasPrefix("Slab:") }) else { return 0 }
        return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 } ?? 0
    }
}

/// Something that happens once, seen from other threads.
final class RaisedFlag: Sendable {
    private let value = Atomic(false)

    var isRaised: Bool { value.load(ordering: .relaxed) }

    func raise() { value.store(true, ordering: .relaxed) }
}
