import ArgumentParser
import LongtakeCore

/// `longtake-bench fanout`
struct Fanout: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "One job, many watchers: what an event costs for each of them, and how late it comes.",
        discussion: """
            The measured window begins when every watcher has had its hello and two events. With --peer, the daemon and the peer are \
            measured in turn with the same watchers and events of the same length at the pace that the daemon had; ratios are of pairs. Both \
            sides' times are cut to milliseconds where they are made. With --stuck, windows without and with watchers that never read \
            take turns.
            """)

    enum Peer: String, ExpressibleByArgument, CaseIterable {
        case nchan, nio
    }

    @Option(help: "How many watch, 1 to 15000.")
    var watchers = 1_000
    @Option(help: "Events a second, 0.1 to 50; above 4 the daemon has to know reports.interval_milliseconds.")
    var rate = 4.0
    @Option(help: "How long a window is, 1 to 600.")
    var seconds = 10.0
    @Option(help: "How many rounds, 1 to 50.")
    var rounds = 3
    @Option(help: "What to measure in turn with the daemon: nginx with nchan, or a bare sender built on SwiftNIO.")
    var peer: Peer?
    @Option(help: "The worker processes of nginx, 1 to 64.")
    var peerWorkers = 2
    @Option(help: "The bytes of an event's message, 18 to 480; an event is some 215 longer.")
    var messageBytes = 40
    @Option(help: "How many watchers more that never read, 0 to 1000.")
    var stuck = 0
    @Flag(
        help: """
            Give the thread that reads for all watchers precedence over both servers (nice -15, for which it takes the right), as if it had             processors of its own.
            """)
    var readerFirst = false
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...15_000).contains(watchers), BenchSettings.rates.contains(rate), (1...600).contains(seconds) else {
            throw ValidationError("--watchers is 1 to 15000, --rate 0.1 to 50, --seconds 1 to 600")
        }
        guard (1...50).contains(rounds), (1...64).contains(peerWorkers), (0...1_000).contains(stuck),
            (18...BenchSettings.messageBytesMost).contains(messageBytes)
        else {
            throw ValidationError(
                "--rounds is 1 to 50, --peer-workers 1 to 64, --stuck 0 to 1000, --message-bytes 18 to 480")
        }
        guard seconds * rate >= 5 else { throw ValidationError("--seconds at --rate has to be at least 5 events") }
        if stuck > 0, peer != nil { throw ValidationError("--stuck and --peer are measured one at a time") }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        var document = ResultDocument("fanout")
        if readerFirst { try await WatcherGroup.goFirst() }
        document["reader_first"] = .bool(readerFirst)
        document["watchers"] = .measured(watchers)
        document["seconds"] = .number(seconds)
        document["rate"] = .number(rate)
        if stuck > 0 {
            document["stuck"] = .measured(stuck)
            try await measureStuck(&document)
        } else {
            try await measureInTurn(&document)
        }
        return document
    }

    private var settings: BenchSettings {
        var settings = BenchSettings(rate: rate, jobSeconds: seconds + 120, messageBytes: messageBytes)
        // Stuck readers keep a round going until the daemon has cut them off.
        if stuck > 0 { settings.jobSeconds += seconds + StuckComparison.patience(settings) }
        return settings
    }

    private func measureStuck(_ document: inout ResultDocument) async throws {
        var table = StuckComparison.Outcome.table
        var tails = Rounds()
        let comparison = StuckComparison(watchers: watchers, stuck: stuck, seconds: seconds, settings: settings)
        for round in 1...rounds {
            ProgressLine.say("round \(round) of \(rounds): \(watchers) watchers alone")
            try await comparison.measure(daemon, in: output.directory).report(round, &table, &document, &tails)
        }
        document.tables.append(table)
        document["p99_beside_stuck"] = tails.json
        document.notes.append("others' p99 in ms, beside stuck readers / alone, medians: \(tails.described)")
    }

    private func measureInTurn(_ document: inout ResultDocument) async throws {
        var table = FanoutResult.table
        var (costs, medians, tails) = (Rounds(), Rounds(), Rounds())
        for round in 1...rounds {
            ProgressLine.say("round \(round) of \(rounds): longtake")
            let ours = try await measure(
                try await DaemonSource.start(daemon, settings, in: output.directory))
            ours.report("longtake", round, &table, &document)
            guard let peer else { continue }
            guard ours.delivery.published > 0 else {
                throw BenchFailure(
                    "round \(round): the daemon published nothing, so there is no rate for \(peer.rawValue)")
            }
            ProgressLine.say("round \(round) of \(rounds): \(peer.rawValue)")
            let theirs = try await measure(try await start(peer, rate: ours.publishedPerSecond))
            theirs.report(peer.rawValue, round, &table, &document)
            costs.add(ours: ours.microsecondsPerEvent, theirs: theirs.microsecondsPerEvent)
            medians.add(ours: ours.delivery.latencies.p50, theirs: theirs.delivery.latencies.p50)
            tails.add(ours: ours.delivery.latencies.p99, theirs: theirs.delivery.latencies.p99)
        }
        document.tables.append(table)
        guard let peer else { return }
        for (name, unit, rounds) in [
            ("cpu_per_event", "µs of CPU per delivered event", costs), ("p50", "p50 in ms", medians),
            ("p99", "p99 in ms", tails),
        ] {
            document[name] = rounds.json
            document.notes.append("\(unit), longtake / \(peer.rawValue), medians: \(rounds.described)")
        }
    }

    private func start(_ peer: Peer, rate: Double) async throws -> any FanoutSource {
        switch peer {
        case .nchan:
            try await NchanPeer.start(
                workers: peerWorkers, rate: rate, messageBytes: messageBytes, in: output.directory)
        case .nio:
            try await BareSenderPeer.start(rate: rate, messageBytes: messageBytes, in: output.directory)
        }
    }

    private func measure(_ source: any FanoutSource) async throws -> FanoutResult {
        let group = try await WatcherGroup.make()
        try await group.open(Array(repeating: source.plan, count: watchers), port: source.port)
        try await source.begin(for: group)
        try await group.awaitWarm(within: 30 + 4 / rate)
        let (_, usage) = try await group.measure(seconds, source.meter)
        try await group.awaitAll(within: 15)
        let delivery = try await group.read { $0.delivery }
        try await group.close()
        try await source.stop()
        return FanoutResult(delivery: delivery, usage: source.meter.isBlind ? nil : usage)
    }
}

/// One window of a fan-out.
struct FanoutResult: Sendable {
    let delivery: Delivery
    /// `nil` for a server whose process is not known.
    let usage: ProcessMeter.Usage?

    var microsecondsPerEvent: Double {
        guard let usage, delivery.events > 0 else { return .nan }
        return usage.cpuMicroseconds / Double(delivery.events)
    }

    /// Events that the server made in a second, whoever got them.
    var publishedPerSecond: Double { Double(delivery.published) / delivery.seconds }

    static let table = ResultTable([
        "server", "round", "events/s", "delivered/s", "bytes/event", "CPU µs/event", "cores", "p50 ms", "p99 ms",
        "max ms",
        "first: p50", "p99", "spread: p50", "p99", "driver cores",
    ])

    func report(_ name: String, _ round: Int, _ table: inout ResultTable, _ document: inout ResultDocument) {
        let (times, exact) = (delivery.latencies, delivery.exactLatencies)
        let (firsts, spreads) = (delivery.firsts, delivery.spreads)
        table.add([
            name, "\(round)", publishedPerSecond.shown(2), delivery.eventsPerSecond.shown(0),
            delivery.bytesPerEvent.shown(0),
            microsecondsPerEvent.shown(2), (usage?.cores ?? .nan).shown(3), times.p50.shown(2), times.p99.shown(2),
            times.most.shown(2), firsts.p50.shown(2), firsts.p99.shown(2), spreads.p50.shown(2), spreads.p99.shown(2),
            delivery.driverCores.shown(2),
        ])
        var members: [String: JSONValue] = [
            "server": .string(name), "round": .measured(round), "events_per_second": .measured(publishedPerSecond),
            "delivered": .measured(delivery.events), "delivered_per_second": .measured(delivery.eventsPerSecond),
            "cpu_microseconds_per_event": .measured(microsecondsPerEvent), "cores": .measured(usage?.cores),
            "driver_cores": .measured(delivery.driverCores),
            "bytes_per_event": .measured(delivery.bytesPerEvent), "latency": times.json,
            "latency_of_first": firsts.json, "latency_from_first": spreads.json, "gaps": .measured(delivery.gaps),
            "duplicates": .measured(delivery.duplicates),
        ]
        if exact.count > 0 { members["latency_from_publication"] = exact.json }
        document.append("windows", members)
        document.expect(delivery, "\(name), round \(round)")
    }
}
