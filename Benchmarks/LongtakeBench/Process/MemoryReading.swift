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
