import ArgumentParser
import LongtakeCore

/// `longtake-bench idle`
struct Idle: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Open streams that nothing happens to: memory for each, and the processor time of their heartbeats.",
        discussion: """
            Memory is what was added from before the streams were opened to the end of the idle time. Buffers and slab are the kernel's, for both ends of each \
            connection, and of the whole machine: leave it alone meanwhile. A server whose process is not known has no memory here.
            """)

    enum Peer: String, ExpressibleByArgument, CaseIterable {
        case nchan
    }

    @Option(help: "How many streams of one waiting job, 1 to 15000.")
    var streams = 5_000
    @Option(help: "How long processor time is taken, 1 to 600; a heartbeat comes every 15 seconds.")
    var seconds = 60.0
    @Option(help: "How many rounds, each with a fresh server, 1 to 50.")
    var rounds = 1
    @Option(help: "What to measure in turn with the daemon: nginx with nchan, which pings every 15 seconds too.")
    var peer: Peer?
    @Option(help: "The worker processes of nginx, 1 to 64.")
    var peerWorkers = 2
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...15_000).contains(streams), (1...600).contains(seconds) else {
            throw ValidationError("--streams is 1 to 15000, --seconds 1 to 600")
        }
        guard (1...50).contains(rounds), (1...64).contains(peerWorkers) else {
            throw ValidationError("--rounds is 1 to 50, --peer-workers 1 to 64")
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
        var (memory, time) = (Rounds(), Rounds())
        let load = IdleStreams(streams: streams, seconds: seconds)
        for round in 1...rounds {
            ProgressLine.say("round \(round) of \(rounds): longtake")
            let ours = try await load.measure(
                try await DaemonSource.start(daemon, BenchSettings(), pipeline: "quiet", in: output.directory))
            ours.report("longtake", round, window: seconds, &table, &document)
            guard let peer else { continue }
            ProgressLine.say("round \(round) of \(rounds): \(peer.rawValue)")
            let theirs = try await load.measure(
                try await NchanPeer.start(workers: peerWorkers, rate: 1, messageBytes: 40, in: output.directory))
            theirs.report(peer.rawValue, round, window: seconds, &table, &document)
            memory.add(ours: ours.perStream(\.residentBytes) / 1024, theirs: theirs.perStream(\.residentBytes) / 1024)
            time.add(ours: (ours.usage?.cores ?? .nan) * 100, theirs: (theirs.usage?.cores ?? .nan) * 100)
        }
        document.tables.append(table)
        guard let peer else { return document }
        for (name, unit, rounds) in [("memory", "RSS in KiB/stream", memory), ("cpu", "CPU in % of a core", time)] {
            document[name] = rounds.json
            document.notes.append("\(unit), longtake / \(peer.rawValue), medians: \(rounds.described)")
        }
        return document
    }
}

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
