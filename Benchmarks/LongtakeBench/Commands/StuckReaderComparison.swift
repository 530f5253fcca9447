import Glibc
import LongtakeCore

/// `longtake-bench fanout --stuck`: measures the watchers of one job alone, and then beside readers
/// that never read.
///
/// It measures the latency of the others' events, the memory that the stuck readers cost, the time
/// until the daemon disconnects them, and whether they resume exactly.
struct StuckReaderComparison: Sendable {
    let watchers: Int
    let stuck: Int
    let seconds: Double
    let settings: DaemonSettings

    struct Outcome {
        let alone: LatencyHistogram
        let beside: LatencyHistogram
        let observation: StuckReaderObservation
        let before: MemoryReading
        let after: MemoryReading
        /// Whether the daemon's process is known, so that `before` and `after` contain its memory.
        let hasProcess: Bool
        /// Of the watchers, and of the stuck readers after they have resumed.
        let deliveries: [Delivery]
        /// What the stuck readers received that does not belong to the beginning of a stream.
        let faults: [String]
    }

    func measure(_ options: DaemonOptions, in directory: String) async throws -> Outcome {
        let daemon = try await DaemonFanout.start(options, settings, in: directory)
        let group = try await WatcherGroup.make()
        try await group.open(Array(repeating: daemon.request, count: watchers), port: daemon.port)
        try await group.warmUp(within: 30 + 4 / settings.rate)
        // Both windows read the tables in /proc equally often. With a thousand connections this
        // takes so much processor time that the watchers' latency changes.
        let alone = try await observe([], daemon, group).latencies
        let before = MemoryReading(daemon.meter)
        ProgressMessage.write("\(stuck) readers that never read, for up to \(Int(Self.patienceSeconds(settings))) s")
        let request = StreamRequest.head(daemon.job.path)
        let readers = try (0..<stuck).map { _ in try StuckReader(request, port: daemon.port) }
        let observation = try await observe(readers, daemon, group)
        let after = try await MemoryReading.settled(daemon.meter, within: 10)
        let rests = readers.map { $0.readRestAndClose() }
        let resumed = try await resume(after: rests.map { $0.last ?? 0 }, daemon)
        try await group.awaitLatestEvents(within: 15)
        let delivery = try await group.withRecorder { $0.delivery }
        try await group.close()
        try await daemon.stop()
        return Outcome(
            alone: alone, beside: observation.latencies, observation: observation, before: before, after: after,
            hasProcess: !daemon.meter.isEmpty, deliveries: [delivery, resumed],
            faults: rests.compactMap(\.fault))
    }

    /// How long a stuck reader may stay connected: the time until its buffers are full, estimated
    /// generously, and a minute.
    static func patienceSeconds(_ settings: DaemonSettings) -> Double {
        let bytesPerSecond = settings.rate * Double(settings.messageBytes + 260)
        return min(900, 60 + 384 * 1024 / bytesPerSecond)
    }

    private func observe(
        _ readers: [StuckReader], _ daemon: DaemonFanout, _ group: WatcherGroup
    ) async throws -> StuckReaderObservation {
        var observation = StuckReaderObservation(readers.map(\.address), memory: MemoryReading(daemon.meter))
        let (began, patience) = (ContinuousClock.now, Self.patienceSeconds(settings))
        try await group.withRecorder { $0.beginWindow() }
        while true {
            // The sampling interval. The kernel sends no signal when the daemon closes a connection
            // whose reader must not read.
            try await Task.sleep(for: .milliseconds(500))
            let elapsed = (ContinuousClock.now - began) / .seconds(1)
            observation.record(
                SocketTable.serverSockets(port: daemon.port), MemoryReading(daemon.meter), after: elapsed)
            if observation.isOver, elapsed >= seconds { break }
            if elapsed > patience { break }
        }
        observation.latencies = try await group.withRecorder { $0.endWindow().latencies }
        return observation
    }

    /// Lets the readers resume after the last event that each has received.
    private func resume(after cursors: [UInt64], _ daemon: DaemonFanout) async throws -> Delivery {
        let requests = cursors.map { StreamRequest(daemon.job, number: 0, after: $0) }
        let group = try await WatcherGroup.make()
        try await group.open(requests, port: daemon.port)
        try await group.wait(60, for: "the missed events of the stuck readers") { [stuck] in
            $0.caughtUpCount == stuck
        }
        let delivery = try await group.withRecorder { $0.delivery }
        try await group.close()
        return delivery
    }
}

extension StuckReaderComparison.Outcome {
    static let table = ResultTable([
        "round", "others alone: p50 ms", "p99", "beside: p50", "p99", "disconnected s", "queued KiB/reader",
        "RSS KiB/reader", "RSS before MiB", "peak", "after", "buffers before MiB", "peak", "after",
    ])

    /// - Parameter p99s: receives the p99 of the others beside the stuck readers, and alone.
    func report(
        _ round: Int, _ table: inout ResultTable, _ document: inout ResultDocument, _ p99s: inout PairedRounds
    ) {
        p99s.add(beside.p99, alone.p99)
        let (readers, peak) = (Double(observation.readers.count), observation.peak)
        let queued = Double(observation.maximumQueuedBytes) / readers
        let resident = hasProcess ? Double(peak.residentBytes - before.residentBytes) / readers : .nan
        table.add([
            "\(round)", alone.p50.fixed(2), alone.p99.fixed(2), beside.p50.fixed(2), beside.p99.fixed(2),
            (observation.disconnectSeconds ?? .nan).fixed(1), (queued / 1024).fixed(1),
            (resident / 1024).fixed(1), before.residentBytes.mebibytes, peak.residentBytes.mebibytes,
            after.residentBytes.mebibytes, before.socketBytes.mebibytes, peak.socketBytes.mebibytes,
            after.socketBytes.mebibytes,
        ])
        document.append(
            "windows",
            [
                "round": .measured(round), "latency_alone": alone.json, "latency_beside": beside.json,
                "cut_off_seconds": .measured(observation.disconnectSeconds),
                "queued_bytes_per_reader": .measured(queued), "resident_bytes_per_reader": .measured(resident),
                "resident_bytes_before": .measured(before.residentBytes),
                "resident_bytes_peak": .measured(peak.residentBytes),
                "resident_bytes_after": .measured(after.residentBytes),
                "socket_bytes_before": .measured(before.socketBytes),
                "socket_bytes_peak": .measured(peak.socketBytes),
                "socket_bytes_after": .measured(after.socketBytes),
            ])
        for fault in observation.faults + faults.prefix(3) { document.addFault("round \(round): \(fault)") }
        document.check(deliveries[0], of: "watchers, round \(round)")
        document.check(deliveries[1], of: "stuck readers that resumed, round \(round)")
    }
}

/// The states of stuck readers, as periodic samples of the kernel's tables show them, until the
/// server has disconnected all of them.
struct StuckReaderObservation {
    /// The addresses of the readers, in the notation of ``SocketTable``.
    let readers: [String]
    /// The latencies of the other watchers' events in the same time.
    var latencies = LatencyHistogram()
    private(set) var peak: MemoryReading
    /// The maximum of the bytes that the kernel held unsent for all readers together.
    private(set) var maximumQueuedBytes = 0
    private var states: [State]

    /// In the table, a connection that the server has not accepted yet looks like one that it has
    /// closed. So only a reader that was seen stuck counts as disconnected.
    private enum State {
        case connected
        /// The server has the connection open, with bytes that the reader did not take.
        case stuck
        /// The reader was stuck, and the server closed the connection. The value is the time in
        /// seconds since the connection was opened.
        case disconnected(Double)
        /// The connection is closed, but was never seen stuck.
        case neverStuck
    }

    init(_ readers: [String], memory: MemoryReading) {
        self.readers = readers
        peak = memory
        states = readers.map { _ in .connected }
    }

    /// Adds one sample.
    /// - Parameters:
    ///   - sockets: the server's ends of the connections, by the address of the reader.
    ///   - elapsed: seconds since the readers connected.
    mutating func record(_ sockets: [String: SocketTable.Entry], _ memory: MemoryReading, after elapsed: Double) {
        peak = peak.maximum(memory)
        maximumQueuedBytes = max(maximumQueuedBytes, readers.reduce(0) { $0 + (sockets[$1]?.unsentBytes ?? 0) })
        for (index, reader) in readers.enumerated() {
            let socket = sockets[reader]
            switch states[index] {
            case .connected:
                if let socket {
                    if socket.isOpen, socket.unsentBytes > 0 { states[index] = .stuck }
                } else {
                    states[index] = .neverStuck
                }
            case .stuck: if socket?.isOpen != true { states[index] = .disconnected(elapsed) }
            case .disconnected, .neverStuck: break
            }
        }
    }

    /// Whether the server has closed the connections of all readers.
    var isOver: Bool {
        states.allSatisfy { state in
            switch state {
            case .connected, .stuck: false
            case .disconnected, .neverStuck: true
            }
        }
    }

    /// The time from connection to disconnection of the reader that stayed longest, with a
    /// resolution of half a second; `nil` unless all readers were disconnected.
    var disconnectSeconds: Double? {
        let times = states.compactMap { state -> Double? in
            if case .disconnected(let seconds) = state { seconds } else { nil }
        }
        return times.count == states.count ? times.max() : nil
    }

    var faults: [String] {
        var (connected, neverStuck) = (0, 0)
        for state in states {
            switch state {
            case .connected, .neverStuck: neverStuck += 1
            case .stuck: connected += 1
            case .disconnected: break
            }
        }
        return (neverStuck > 0 ? ["\(neverStuck) readers were never stuck"] : [])
            + (connected > 0 ? ["\(connected) stuck readers were not disconnected"] : [])
    }
}

/// A client that requests a stream and then never reads. Its receive buffer is small, so that the
/// server notices early.
///
/// It is a plain socket, because an event loop would read to notice the end of the connection.
private struct StuckReader {
    /// Its own address, in the notation of ``SocketTable``.
    let address: String
    private let descriptor: Int32

    /// The kernel doubles this number, and grants at least about 2 KiB.
    private static let receiveBufferBytes: Int32 = 4_096
    /// A loopback address that no watcher uses.
    private static let loopbackAddress: [UInt8] = [127, 0, 1, 1]

    /// Connects to a server on 127.0.0.1, and sends the request.
    init(_ request: String, port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var (size, own) = (Self.receiveBufferBytes, Self.socketAddress(Self.loopbackAddress, 0))
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
        address = SocketTable.notation(Self.loopbackAddress, port: Int(UInt16(bigEndian: own.sin_port)))
    }

    /// Reads the bytes that the kernel still holds for the reader, and closes the connection.
    /// - Returns: the number of the last complete event, or `nil` if there is none; and a fault if
    ///   the reader received anything else than the beginning of a stream.
    func readRestAndClose() -> (last: UInt64?, fault: String?) {
        defer { Glibc.close(descriptor) }
        var (parser, last, fault): (EventStreamParser, UInt64?, String?) = (EventStreamParser(), nil, nil)
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, Int32(truncatingIfNeeded: MSG_DONTWAIT))
            guard count > 0 else { break }
            _ = chunk[..<count].withUnsafeBytes { bytes in
                parser.feed(bytes) { block in
                    switch block {
                    case .event(let sequence, _, _): last = sequence
                    case .control(let text): fault = "a stuck reader received: \(text.prefix(200))"
                    case .hello, .heartbeat: break
                    }
                }
            }
        }
        guard parser.status == 200 else { return (last, "a stuck reader received status \(parser.status)") }
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
