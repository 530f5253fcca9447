import LongtakeCore

/// Many open streams to which nothing happens: what each of them holds, and what keeping them alive costs.
struct IdleStreams: Sendable {
    let streams: Int
    let seconds: Double

    /// A heartbeat comes this often on both sides.
    static let heartbeatSeconds = 15.0

    struct Outcome: Sendable {
        let before: MemoryReading
        let opened: MemoryReading
        let streams: Int
        let heartbeats: Int
        let usage: ProcessMeter.Usage?
        let delivery: Delivery

        func perStream(_ quantity: KeyPath<MemoryReading, Int>) -> Double {
            Double(opened[keyPath: quantity] - before[keyPath: quantity]) / Double(streams)
        }
        var heartbeatsPerStream: Double { Double(heartbeats) / Double(streams) }
    }

    func measure(_ source: any FanoutSource) async throws -> Outcome {
        let meter = source.meter
        let before = try await MemoryReading.settled(meter, within: 10)
        let group = try await WatcherGroup.make()
        try await group.open(Array(repeating: source.plan, count: streams), port: source.port)
        try await group.wait(60, for: "the first words of all streams") { $0.greeted == $0.watchers.count }
        _ = try await MemoryReading.settled(meter, within: 20)
        ProgressLine.say("\(streams) idle streams for \(seconds) s")
        let heartbeatsBefore = try await group.read { $0.heartbeats }
        let (delivery, usage) = try await group.measure(seconds, meter)
        let heartbeats = try await group.read { $0.heartbeats } - heartbeatsBefore
        // At the end: what a stream takes while it goes on, not what opening so many at once took.
        let opened = MemoryReading(meter)
        try await group.close()
        try await source.stop()
        return Outcome(
            before: before, opened: opened, streams: streams, heartbeats: heartbeats,
            usage: meter.isBlind ? nil : usage, delivery: delivery)
    }
}

extension IdleStreams.Outcome {
    static let table = ResultTable([
        "server", "round", "streams", "RSS before MiB", "RSS open MiB", "RSS KiB/stream", "buffers KiB/stream",
        "slab KiB/stream", "heartbeats/stream", "CPU % of a core",
    ])

    func report(
        _ name: String, _ round: Int, window seconds: Double, _ table: inout ResultTable,
        _ document: inout ResultDocument
    ) {
        let resident = usage == nil ? .nan : perStream(\.residentBytes)
        let (sockets, slab) = (perStream(\.socketBytes), perStream(\.slabBytes))
        let share = usage.map { $0.cores * 100 } ?? .nan
        table.add([
            name, "\(round)", "\(streams)", before.residentBytes.mebibytes, opened.residentBytes.mebibytes,
            (resident / 1024).shown(2), (sockets / 1024).shown(2), (slab / 1024).shown(2), heartbeatsPerStream.shown(2),
            share.shown(2),
        ])
        document.append(
            "windows",
            [
                "server": .string(name), "round": .measured(round),
                "resident_bytes_before": .measured(before.residentBytes),
                "resident_bytes_open": .measured(opened.residentBytes),
                "resident_bytes_per_stream": .measured(resident),
                "socket_bytes_per_stream": .measured(sockets), "slab_bytes_per_stream": .measured(slab),
                "heartbeats_per_stream": .measured(heartbeatsPerStream), "cpu_percent_of_core": .measured(share),
            ])
        document.expect(delivery, "\(name), round \(round)")
        // A tenth and a second of grace: a heartbeat is due so long after the last write, not on the clock.
        let due = ((seconds - 1) / (IdleStreams.heartbeatSeconds * 1.1)).rounded(.down)
        if heartbeatsPerStream < due {
            document.blame(
                "\(name), round \(round): \(heartbeatsPerStream.shown(2)) heartbeats a stream where \(due.shown(0)) are due"
            )
        }
    }
}
