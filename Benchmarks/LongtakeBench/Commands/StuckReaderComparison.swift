import Glibc
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

/// What is seen of stuck readers from outside, look by look, until the server has closed them all.
struct StuckSiege: Sendable {
    /// The readers' addresses, as ``SocketTable`` names them.
    let readers: [String]
    /// How late the others' events came meanwhile.
    var latencies = LatencyHistogram()
    private(set) var peak: MemoryReading
    /// The most that the kernel held unsent for all of them at one time.
    private(set) var queuedBytesMost = 0
    private var states: [State]

    /// A connection that the server has not accepted yet looks like one that it has closed: only one that was stuck can be cut off.
    private enum State {
        case connected
        /// The server had it open, with bytes that the reader did not take.
        case stuck
        /// It was stuck, and the server closed it so many seconds after it connected.
        case cutOff(Double)
        /// It is gone, and was never seen to be stuck.
        case lost
    }

    init(_ readers: [String], memory: MemoryReading) {
        self.readers = readers
        peak = memory
        states = readers.map { _ in .connected }
    }

    /// - Parameter elapsed: seconds since the readers connected.
    mutating func look(_ ends: [String: SocketTable.Entry], _ memory: MemoryReading, after elapsed: Double) {
        peak = peak.most(memory)
        queuedBytesMost = max(queuedBytesMost, readers.reduce(0) { $0 + (ends[$1]?.unsentBytes ?? 0) })
        for (index, reader) in readers.enumerated() {
            let end = ends[reader]
            switch states[index] {
            case .connected:
                if let end {
                    if end.isOwned, end.unsentBytes > 0 { states[index] = .stuck }
                } else {
                    states[index] = .lost
                }
            case .stuck: if end?.isOwned != true { states[index] = .cutOff(elapsed) }
            case .cutOff, .lost: break
            }
        }
    }

    /// Whether none of them has a connection left that could be cut off.
    var isOver: Bool {
        states.allSatisfy { state in
            switch state {
            case .connected, .stuck: false
            case .cutOff, .lost: true
            }
        }
    }

    /// From the connection to the close, of the reader that lasted longest, to half a second; `nil` unless all were cut off.
    var cutOffSeconds: Double? {
        let closes = states.compactMap { state -> Double? in
            if case .cutOff(let seconds) = state { seconds } else { nil }
        }
        return closes.count == states.count ? closes.max() : nil
    }

    var faults: [String] {
        var (lasting, neverStuck) = (0, 0)
        for state in states {
            switch state {
            case .connected, .lost: neverStuck += 1
            case .stuck: lasting += 1
            case .cutOff: break
            }
        }
        return (neverStuck > 0 ? ["\(neverStuck) readers were never stuck"] : [])
            + (lasting > 0 ? ["\(lasting) stuck readers were not cut off"] : [])
    }
}

/// A client that asks for a stream and then reads nothing, with a small window so that the server notices early.
///
/// It is a bare socket: nothing may read what comes, not even to see that the connection is gone.
struct StuckReader: Sendable {
    /// Its own address, as ``SocketTable`` names it.
    let name: String
    private let descriptor: Int32

    /// The least that the kernel grants is some 2 KiB; it doubles what is asked for.
    private static let windowBytes: Int32 = 4_096
    /// One of the loopback network that no watcher has.
    private static let address: [UInt8] = [127, 0, 1, 1]

    /// Connects to a server on 127.0.0.1, and sends the request.
    init(_ request: String, port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var (size, own) = (Self.windowBytes, Self.socketAddress(Self.address, 0))
        var (server, length) = (Self.socketAddress([127, 0, 0, 1], port), socklen_t(MemoryLayout<sockaddr_in>.size))
        let descriptor = descriptor
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        let isConnected =
            Self.with(&own) { bind(descriptor, $0, length) } == 0
            && Self.with(&server) { connect(descriptor, $0, length) } == 0
            && Self.with(&own) { getsockname(descriptor, $0, &length) } == 0
            && request.withCString { write(descriptor, $0, strlen($0)) } == request.utf8.count
        guard isConnected else {
            Glibc.close(descriptor)
            throw BenchFailure("a stuck reader could not connect: \(String(cString: strerror(errno)))")
        }
        name = SocketTable.name(Self.address, port: Int(UInt16(bigEndian: own.sin_port)))
    }

    /// Wakes up: reads what the kernel still has for it, and closes.
    /// - Returns: the number of the last whole event, `nil` for none; and what else it was told than the begin of a stream.
    func wake() -> (last: UInt64?, fault: String?) {
        defer { Glibc.close(descriptor) }
        var (scanner, last, fault): (EventScanner, UInt64?, String?) = (EventScanner(), nil, nil)
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, Int32(truncatingIfNeeded: MSG_DONTWAIT))
            guard count > 0 else { break }
            _ = chunk[..<count].withUnsafeBytes { bytes in
                scanner.feed(bytes) { block in
                    switch block {
                    case .event(let sequence, _, _): last = sequence
                    case .control(let text): fault = "a stuck reader was told: \(text.prefix(200))"
                    case .hello, .heartbeat: break
                    }
                }
            }
        }
        guard scanner.status == 200 else { return (last, "a stuck reader was answered with status \(scanner.status)") }
        return (last, fault)
    }

    private static func socketAddress(_ bytes: [UInt8], _ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = bytes.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }.bigEndian
        return address
    }

    private static func with(
        _ address: inout sockaddr_in, _ call: (UnsafeMutablePointer<sockaddr>) -> Int32
    ) -> Int32 {
        withUnsafeMutablePointer(to: &address) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1, call) }
    }
}
