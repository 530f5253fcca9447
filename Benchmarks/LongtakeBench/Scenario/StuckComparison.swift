import LongtakeCore

/// Watchers of one job, first alone and then beside readers that never read: what the others notice, what the stuck ones hold, when
/// they are cut off, and whether they resume exactly.
struct StuckComparison: Sendable {
    let watchers: Int
    let stuck: Int
    let seconds: Double
    let settings: BenchSettings

    struct Outcome: Sendable {
        let alone: LatencyHistogram
        let beside: LatencyHistogram
        let siege: StuckSiege
        let before: MemoryReading
        let after: MemoryReading
        let isBlind: Bool
        /// Of the watchers and, once they had resumed, of the stuck readers.
        let deliveries: [Delivery]
        /// What stuck readers were told that is no begin of a stream.
        let faults: [String]
    }

    func measure(_ options: DaemonOptions, in directory: String) async throws -> Outcome {
        let source = try await DaemonSource.start(options, settings, in: directory)
        let group = try await WatcherGroup.make()
        try await group.open(Array(repeating: source.plan, count: watchers), port: source.port)
        try await group.awaitWarm(within: 30 + 4 / settings.rate)
        // With the same looks at the machine as later: with a thousand connections they take a part of the processors that others notice.
        let alone = try await besiege([], source, group).latencies
        let before = MemoryReading(source.meter)
        ProgressLine.say("\(stuck) readers that never read, for up to \(Int(Self.patience(settings))) s")
        let request = WatchPlan.head(source.job.path)
        let readers = try (0..<stuck).map { _ in try StuckReader(request, port: source.port) }
        let siege = try await besiege(readers, source, group)
        let after = try await MemoryReading.settled(source.meter, within: 10)
        let endings = readers.map { $0.wake() }
        let resumed = try await resume(after: endings.map { $0.last ?? 0 }, source)
        try await group.awaitAll(within: 15)
        let delivery = try await group.read { $0.delivery }
        try await group.close()
        try await source.stop()
        return Outcome(
            alone: alone, beside: siege.latencies, siege: siege, before: before, after: after,
            isBlind: source.meter.isBlind, deliveries: [delivery, resumed],
            faults: endings.compactMap(\.fault))
    }

    /// How long a stuck reader may last: until its buffers are full, which is generous, and a minute.
    static func patience(_ settings: BenchSettings) -> Double {
        let bytesPerSecond = settings.rate * Double(settings.messageBytes + 260)
        return min(900, 60 + 384 * 1024 / bytesPerSecond)
    }

    private func besiege(
        _ readers: [StuckReader], _ source: DaemonSource, _ group: WatcherGroup
    ) async throws -> StuckSiege {
        var siege = StuckSiege(readers.map(\.name), memory: MemoryReading(source.meter))
        let (began, patience) = (ContinuousClock.now, Self.patience(settings))
        try await group.read { $0.beginWindow() }
        while true {
            try await Task.sleep(for: .milliseconds(500))
            let elapsed = (ContinuousClock.now - began) / .seconds(1)
            siege.look(SocketTable.serverEnds(port: source.port), MemoryReading(source.meter), after: elapsed)
            if siege.isOver, elapsed >= seconds { break }
            if elapsed > patience { break }
        }
        siege.latencies = try await group.read { $0.endWindow().latencies }
        return siege
    }

    /// Has the readers come back with the cursors that they had when they woke up.
    private func resume(after cursors: [UInt64], _ source: DaemonSource) async throws -> Delivery {
        let plans = cursors.map { WatchPlan(source.job, number: 0, after: $0) }
        let group = try await WatcherGroup.make()
        try await group.open(plans, port: source.port)
        try await group.wait(60, for: "what the stuck readers have missed") { [stuck] in $0.caughtUpCount == stuck }
        let delivery = try await group.read { $0.delivery }
        try await group.close()
        return delivery
    }
}

extension StuckComparison.Outcome {
    static let table = ResultTable([
        "round", "others alone: p50 ms", "p99", "beside: p50", "p99", "cut off s", "queued KiB/reader",
        "RSS KiB/reader", "RSS before MiB", "peak", "after", "buffers before MiB", "peak", "after",
    ])

    /// - Parameter tails: gets the others' p99 beside the stuck readers, and alone.
    func report(
        _ round: Int, _ table: inout ResultTable, _ document: inout ResultDocument, _ tails: inout Rounds
    ) {
        tails.add(ours: beside.p99, theirs: alone.p99)
        let readers = Double(siege.readers.count)
        let queued = Double(siege.queuedBytesMost) / readers
        let resident = isBlind ? .nan : Double(siege.peak.residentBytes - before.residentBytes) / readers
        table.add([
            "\(round)", alone.p50.shown(2), alone.p99.shown(2), beside.p50.shown(2), beside.p99.shown(2),
            (siege.cutOffSeconds ?? .nan).shown(1), (queued / 1024).shown(1),
            (resident / 1024).shown(1), before.residentBytes.mebibytes, siege.peak.residentBytes.mebibytes,
            after.residentBytes.mebibytes, before.socketBytes.mebibytes, siege.peak.socketBytes.mebibytes,
            after.socketBytes.mebibytes,
        ])
        document.append(
            "windows",
            [
                "round": .measured(round), "latency_alone": alone.json, "latency_beside": beside.json,
                "cut_off_seconds": .measured(siege.cutOffSeconds),
                "queued_bytes_per_reader": .measured(queued), "resident_bytes_per_reader": .measured(resident),
                "resident_bytes_before": .measured(before.residentBytes),
                "resident_bytes_peak": .measured(siege.peak.residentBytes),
                "resident_bytes_after": .measured(after.residentBytes),
                "socket_bytes_before": .measured(before.socketBytes),
                "socket_bytes_peak": .measured(siege.peak.socketBytes),
                "socket_bytes_after": .measured(after.socketBytes),
            ])
        for fault in siege.faults + faults.prefix(3) { document.blame("round \(round): \(fault)") }
        document.expect(deliveries[0], "watchers, round \(round)")
        document.expect(deliveries[1], "stuck readers that resumed, round \(round)")
    }
}
