import ArgumentParser
import LongtakeCore

/// `longtake-bench fanout`
struct Fanout: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "One job with many watchers: the processor time and the latency of each delivered event.",
        discussion: """
            The measured window begins when every watcher has received its stream.hello and two events. With --peer, the daemon and the \
            peer take turns. Both have the same watchers, and events of the same length at the rate that the daemon reached. Ratios are of \
            pairs. Both sides truncate the times in their events to milliseconds. With --stuck, windows without and with watchers that \
            never read take turns.
            """)

    enum Peer: String, ExpressibleByArgument, CaseIterable {
        case nchan, nio
    }

    @Option(help: "The number of watchers, 1 to 15000.")
    var watchers = 1_000
    @Option(
        help: """
            Events per second, 0.1 to 50. Above 4, the daemon must support the setting reports.interval_milliseconds.
            """)
    var rate = 4.0
    @Option(help: "The length of a window in seconds, 1 to 600.")
    var seconds = 10.0
    @Option(help: "The number of rounds, 1 to 50.")
    var rounds = 3
    @Option(help: "The server that takes turns with the daemon: nginx with nchan, or a bare sender built on SwiftNIO.")
    var peer: Peer?
    @Option(help: "The number of nginx worker processes, 1 to 64.")
    var peerWorkers = 2
    @Option(help: "The bytes of an event's message, 18 to 480. An event is about 215 bytes longer.")
    var messageBytes = 40
    @Option(help: "The number of additional watchers that never read, 0 to 1000.")
    var stuck = 0
    @Flag(
        help: """
            Give the thread that reads for all watchers a higher priority than both servers (nice -15), as if it had its own processors. \
            This needs the right to raise priorities.
            """)
    var readerFirst = false
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...15_000).contains(watchers), DaemonSettings.rates.contains(rate), (1...600).contains(seconds) else {
            throw ValidationError("--watchers must be 1 to 15000, --rate 0.1 to 50, --seconds 1 to 600")
        }
        guard (1...50).contains(rounds), (1...64).contains(peerWorkers), (0...1_000).contains(stuck),
            (18...DaemonSettings.maximumMessageBytes).contains(messageBytes)
        else {
            throw ValidationError(
                "--rounds must be 1 to 50, --peer-workers 1 to 64, --stuck 0 to 1000, --message-bytes 18 to 480")
        }
        guard seconds * rate >= 5 else { throw ValidationError("--seconds times --rate must be at least 5 events") }
        if stuck > 0, peer != nil { throw ValidationError("--stuck and --peer cannot be combined") }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        var document = ResultDocument("fanout")
        if readerFirst { try await WatcherGroup.raisePriority() }
        document["reader_first"] = .bool(readerFirst)
        document["watchers"] = .measured(watchers)
        document["seconds"] = .number(seconds)
        document["rate"] = .number(rate)
        if stuck > 0 {
            document["stuck"] = .measured(stuck)
            try await measureStuckReaders(&document)
        } else {
            try await measureInTurn(&document)
        }
        return document
    }

    private var settings: DaemonSettings {
        var settings = DaemonSettings(rate: rate, jobSeconds: seconds + 120, messageBytes: messageBytes)
        // With stuck readers, a round lasts until the daemon has disconnected them.
        if stuck > 0 { settings.jobSeconds += seconds + StuckReaderComparison.patienceSeconds(settings) }
        return settings
    }

    private func measureStuckReaders(_ document: inout ResultDocument) async throws {
        var table = StuckReaderComparison.Outcome.table
        var p99s = PairedRounds()
        let comparison = StuckReaderComparison(watchers: watchers, stuck: stuck, seconds: seconds, settings: settings)
        for round in 1...rounds {
            ProgressMessage.write("round \(round) of \(rounds): \(watchers) watchers alone")
            try await comparison.measure(daemon, in: output.directory).report(round, &table, &document, &p99s)
        }
        document.tables.append(table)
        document["p99_beside_stuck"] = p99s.json
        document.notes.append("p99 of the others in ms, beside stuck readers / alone, medians: \(p99s.text)")
    }

    private func measureInTurn(_ document: inout ResultDocument) async throws {
        var table = FanoutResult.table
        var (costs, medians, p99s) = (PairedRounds(), PairedRounds(), PairedRounds())
        for round in 1...rounds {
            ProgressMessage.write("round \(round) of \(rounds): longtake")
            let ours = try await measure(
                try await DaemonFanout.start(daemon, settings, in: output.directory))
            ours.report("longtake", round, &table, &document)
            guard let peer else { continue }
            guard ours.delivery.published > 0 else {
                throw BenchFailure(
                    "round \(round): the daemon published no event, so the rate for \(peer.rawValue) is unknown")
            }
            ProgressMessage.write("round \(round) of \(rounds): \(peer.rawValue)")
            let theirs = try await measure(try await start(peer, rate: ours.publishedPerSecond))
            theirs.report(peer.rawValue, round, &table, &document)
            costs.add(ours.microsecondsPerEvent, theirs.microsecondsPerEvent)
            medians.add(ours.delivery.latencies.p50, theirs.delivery.latencies.p50)
            p99s.add(ours.delivery.latencies.p99, theirs.delivery.latencies.p99)
        }
        document.tables.append(table)
        guard let peer else { return }
        for (name, unit, rounds) in [
            ("cpu_per_event", "µs of CPU per delivered event", costs), ("p50", "p50 in ms", medians),
            ("p99", "p99 in ms", p99s),
        ] {
            document[name] = rounds.json
            document.notes.append("\(unit), longtake / \(peer.rawValue), medians: \(rounds.text)")
        }
    }

    private func start(_ peer: Peer, rate: Double) async throws -> any FanoutServer {
        switch peer {
        case .nchan:
            try await NchanServer.start(
                workers: peerWorkers, rate: rate, messageBytes: messageBytes, in: output.directory)
        case .nio:
            try await BareSenderProcess.start(rate: rate, messageBytes: messageBytes)
        }
    }

    private func measure(_ server: any FanoutServer) async throws -> FanoutResult {
        let group = try await WatcherGroup.make()
        try await group.open(Array(repeating: server.request, count: watchers), port: server.port)
        try await server.begin(for: group)
        try await group.warmUp(within: 30 + 4 / rate)
        let (_, usage) = try await group.measure(seconds, server.meter)
        try await group.awaitLatestEvents(within: 15)
        let delivery = try await group.withRecorder { $0.delivery }
        try await group.close()
        try await server.stop()
        return FanoutResult(delivery: delivery, usage: server.meter.isEmpty ? nil : usage)
    }
}

/// The result of one window.
private struct FanoutResult {
    let delivery: Delivery
    /// `nil` if the process of the server is unknown.
    let usage: ProcessMeter.Usage?

    var microsecondsPerEvent: Double {
        guard let usage, delivery.events > 0 else { return .nan }
        return usage.cpuMicroseconds / Double(delivery.events)
    }

    /// Events that the server published per second. An event counts once, however many watchers
    /// received it.
    var publishedPerSecond: Double { Double(delivery.published) / delivery.seconds }

    static let table = ResultTable([
        "server", "round", "events/s", "delivered/s", "bytes/event", "CPU µs/event", "cores", "p50 ms", "p99 ms",
        "max ms",
        "first: p50", "p99", "spread: p50", "p99", "driver cores",
    ])

    func report(_ name: String, _ round: Int, _ table: inout ResultTable, _ document: inout ResultDocument) {
        let (times, published) = (delivery.latencies, delivery.publicationLatencies)
        let (firsts, spreads) = (delivery.firsts, delivery.spreads)
        table.add([
            name, "\(round)", publishedPerSecond.fixed(2), delivery.eventsPerSecond.fixed(0),
            delivery.bytesPerEvent.fixed(0),
            microsecondsPerEvent.fixed(2), (usage?.cores ?? .nan).fixed(3), times.p50.fixed(2), times.p99.fixed(2),
            times.maximum.fixed(2), firsts.p50.fixed(2), firsts.p99.fixed(2), spreads.p50.fixed(2),
            spreads.p99.fixed(2),
            delivery.driverCores.fixed(2),
        ])
        var members: [String: JSONValue] = [
            "server": .string(name), "round": .measured(round), "events_per_second": .measured(publishedPerSecond),
            "delivered": .measured(delivery.events), "delivered_per_second": .measured(delivery.eventsPerSecond),
            "cpu_microseconds_per_event": .measured(microsecondsPerEvent), "cores": .measured(usage?.cores),
            "driver_cores": .measured(delivery.driverCores),
            "bytes_per_event": .measured(delivery.bytesPerEvent), "latency": times.json,
            "latency_of_first": firsts.json, "latency_from_first": spreads.json, "gaps": .measured(delivery.missing),
            "duplicates": .measured(delivery.duplicates),
        ]
        if published.count > 0 { members["latency_from_publication"] = published.json }
        document.append("windows", members)
        document.check(delivery, of: "\(name), round \(round)")
    }
}
