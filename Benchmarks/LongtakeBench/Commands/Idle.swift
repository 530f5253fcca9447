import ArgumentParser
import LongtakeCore

/// `longtake-bench idle`
struct Idle: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Open streams without events: the memory of each stream, and the processor time of the heartbeats.",
        discussion: """
            The result is the memory at the end of the idle time minus the memory before the streams were opened. Buffers and slab are \
            memory of the kernel for both ends of each connection. They are measured for the whole machine, so run nothing else meanwhile. \
            If the process of a server is unknown, the result does not include its memory.
            """)

    enum Peer: String, ExpressibleByArgument, CaseIterable {
        case nchan
    }

    @Option(help: "The number of streams, all of one waiting job, 1 to 15000.")
    var streams = 5_000
    @Option(help: "How long processor time is measured, 1 to 600 seconds. A heartbeat comes every 15 seconds.")
    var seconds = 60.0
    @Option(help: "The number of rounds, each with a new server process, 1 to 50.")
    var rounds = 1
    @Option(help: "The server that takes turns with the daemon: nginx with nchan, which pings every 15 seconds.")
    var peer: Peer?
    @Option(help: "The number of nginx worker processes, 1 to 64.")
    var peerWorkers = 2
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...15_000).contains(streams), (1...600).contains(seconds) else {
            throw ValidationError("--streams must be 1 to 15000, --seconds 1 to 600")
        }
        guard (1...50).contains(rounds), (1...64).contains(peerWorkers) else {
            throw ValidationError("--rounds must be 1 to 50, --peer-workers 1 to 64")
        }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        var document = ResultDocument("idle")
        document["streams"] = .measured(streams)
        document["seconds"] = .number(seconds)
        var table = IdleStreams.Outcome.table
        var (memory, time) = (PairedRounds(), PairedRounds())
        let load = IdleStreams(streams: streams, seconds: seconds)
        for round in 1...rounds {
            ProgressMessage.write("round \(round) of \(rounds): longtake")
            let ours = try await load.measure(
                try await DaemonFanout.start(daemon, DaemonSettings(), pipeline: "quiet", in: output.directory))
            ours.report("longtake", round, window: seconds, &table, &document)
            guard let peer else { continue }
            ProgressMessage.write("round \(round) of \(rounds): \(peer.rawValue)")
            let theirs = try await load.measure(
                try await NchanServer.start(workers: peerWorkers, rate: 1, messageBytes: 40, in: output.directory))
            theirs.report(peer.rawValue, round, window: seconds, &table, &document)
            memory.add(ours.perStream(\.residentBytes) / 1024, theirs.perStream(\.residentBytes) / 1024)
            time.add((ours.usage?.cores ?? .nan) * 100, (theirs.usage?.cores ?? .nan) * 100)
        }
        document.tables.append(table)
        guard let peer else { return document }
        for (name, unit, rounds) in [("memory", "RSS in KiB/stream", memory), ("cpu", "CPU in % of a core", time)] {
            document[name] = rounds.json
            document.notes.append("\(unit), longtake / \(peer.rawValue), medians: \(rounds.text)")
        }
        return document
    }
}

/// Opens many streams that receive no events, and measures their memory and the processor time of
/// their heartbeats.
private struct IdleStreams {
    let streams: Int
    let seconds: Double

    /// The interval of the heartbeats of both servers.
    static let heartbeatSeconds = 15.0

    struct Outcome {
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

    func measure(_ server: any FanoutServer) async throws -> Outcome {
        let meter = server.meter
        let before = try await MemoryReading.settled(meter, within: 10)
        let group = try await WatcherGroup.make()
        try await group.open(Array(repeating: server.request, count: streams), port: server.port)
        try await group.wait(60, for: "the first block of all streams") { $0.greetedCount == $0.watchers.count }
        _ = try await MemoryReading.settled(meter, within: 20)
        ProgressMessage.write("\(streams) idle streams for \(seconds) s")
        let heartbeatsBefore = try await group.withRecorder { $0.heartbeats }
        let (delivery, usage) = try await group.measure(seconds, meter)
        let heartbeats = try await group.withRecorder { $0.heartbeats } - heartbeatsBefore
        // Memory is read at the end, because opening many streams at once takes memory that the
        // server releases later.
        let opened = MemoryReading(meter)
        try await group.close()
        try await server.stop()
        return Outcome(
            before: before, opened: opened, streams: streams, heartbeats: heartbeats,
            usage: meter.isEmpty ? nil : usage, delivery: delivery)
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
            (resident / 1024).fixed(2), (sockets / 1024).fixed(2), (slab / 1024).fixed(2), heartbeatsPerStream.fixed(2),
            share.fixed(2),
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
        document.check(delivery, of: "\(name), round \(round)")
        // A heartbeat is due a fixed time after the last write, so it drifts: a tenth and a second
        // are tolerated.
        let due = ((seconds - 1) / (IdleStreams.heartbeatSeconds * 1.1)).rounded(.down)
        if heartbeatsPerStream < due {
            document.addFault(
                "\(name), round \(round): \(heartbeatsPerStream.fixed(2)) heartbeats per stream instead of at least \(due.fixed(0))"
            )
        }
    }
}
