import ArgumentParser
import LongtakeCore

/// `longtake-bench storm`
struct Storm: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "All clients of many running jobs resume at once: the time until each has received what it missed.",
        discussion: """
            Each client resumes a random number of events behind the end of its job's event log. The random numbers are the same in every \
            run. The jobs continue meanwhile. A client has caught up when it has received the event that `head` names in its stream.hello.
            """)

    @Option(help: "The number of clients, 1 to 15000.")
    var clients = 10_000
    @Option(help: "The number of running jobs. The clients are spread evenly over them, 1 to 10000.")
    var jobs = 1_000
    @Option(help: "The maximum number of events that a client has missed, 0 to 2000. The numbers are uniformly random.")
    var behind = 200
    @Option(help: "Events per second of each job, before and during the storm, 0.1 to 50.")
    var rate = 4.0
    @Option(help: "The time in which the clients begin to connect, 0 to 60 seconds.")
    var within = 1.0
    @Option(help: "The seconds from the end of the storm to the last memory reading, 0 to 600. Clients stay connected.")
    var rest = 20.0
    @Option(help: "The number of rounds, each on a new database, 1 to 50.")
    var rounds = 1
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...15_000).contains(clients), (1...10_000).contains(jobs), clients >= jobs else {
            throw ValidationError("--clients must be 1 to 15000, --jobs 1 to 10000 and at most --clients")
        }
        guard (0...2_000).contains(behind), DaemonSettings.rates.contains(rate), (0...60).contains(within) else {
            throw ValidationError("--behind must be 0 to 2000, --rate 0.1 to 50, --within 0 to 60")
        }
        guard Double(behind) / rate < 1_000 else {
            throw ValidationError("--behind divided by --rate must be below 1000 seconds")
        }
        guard (1...50).contains(rounds), (0...600).contains(rest) else {
            throw ValidationError("--rounds must be 1 to 50, --rest 0 to 600")
        }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        var document = ResultDocument("storm")
        document["clients"] = .measured(clients)
        document["jobs"] = .measured(jobs)
        document["behind"] = .measured(behind)
        document["rate"] = .number(rate)
        document["within"] = .number(within)
        var table = ResumeStorm.Outcome.table
        let storm = ResumeStorm(
            clients: clients, jobs: jobs, rate: rate, behind: behind, spreadSeconds: within, restSeconds: rest)
        for round in 1...rounds {
            let outcome = try await storm.measure(daemon, in: output.directory, seed: UInt64(round))
            outcome.report(round, &table, &document)
        }
        document.tables.append(table)
        return document
    }
}

/// Starts jobs, lets clients resume all at once, each some events behind, and measures until all
/// have caught up.
private struct ResumeStorm {
    let clients: Int
    let jobs: Int
    let rate: Double
    let behind: Int
    /// The clients begin to connect evenly over this time.
    let spreadSeconds: Double
    /// The time from the moment when all have caught up to the last memory reading.
    let restSeconds: Double

    struct Outcome {
        let connectedSeconds: Double
        let caughtUpSeconds: Double
        /// The time from the connection of a client until it had received the event that `head`
        /// names in its `stream.hello`.
        let catchUps: LatencyHistogram
        let replayed: Int
        let before: MemoryReading
        let peak: MemoryReading
        let after: MemoryReading
        let usage: ProcessMeter.Usage?
        let delivery: Delivery
    }

    func measure(_ options: DaemonOptions, in directory: String, seed: UInt64) async throws -> Outcome {
        let fillSeconds = Double(behind + 10) / rate * 1.5 + 60
        let settings = DaemonSettings(
            rate: rate, jobSeconds: min(fillSeconds + 180 + Double(clients) / 100, DaemonSettings.maximumJobSeconds),
            workers: jobs)
        let daemon = try await options.open(settings, in: directory)
        let client = JobClient(port: daemon.port)
        ProgressMessage.write("running \(jobs) jobs until each has more than \(behind) events")
        let submitted = try await client.submit(jobs, to: "bench")
        try await client.awaitHeads(submitted, atLeast: UInt64(behind + 1), within: fillSeconds)
        var generator = SeededGenerator(seed: seed)
        let heads = try await client.heads()
        let requests = (0..<clients).map { number -> StreamRequest in
            let job = submitted[number % jobs]
            let cursor = (heads[job.id] ?? 0) - UInt64.random(in: 0...UInt64(behind), using: &generator)
            return StreamRequest(job, number: number % jobs, after: cursor)
        }
        let outcome = try await resume(requests, daemon)
        try await daemon.stop()
        return outcome
    }

    private func resume(_ requests: [StreamRequest], _ daemon: DaemonUnderTest) async throws -> Outcome {
        let before = try await MemoryReading.settled(daemon.meter, within: 10)
        let group = try await WatcherGroup.make()
        ProgressMessage.write("\(clients) clients resume")
        let (times, peak) = try await MemoryReading.peak(daemon.meter) {
            let reading = daemon.meter.read()
            let began = WallTime.microseconds()
            try await group.withRecorder { $0.beginWindow() }
            try await group.open(requests, port: daemon.port, over: spreadSeconds)
            let connected = WallTime.microseconds()
            try await group.wait(120, for: "the missed events of all clients") { [clients] in
                $0.caughtUpCount == clients
            }
            let caughtUp = try await group.withRecorder { $0.caughtUpAt }
            let usage = daemon.meter.usage(since: reading)
            return (connected: connected - began, caughtUp: caughtUp - began, usage: usage)
        }
        let replayed = try await group.withRecorder { $0.endWindow().events }
        try await group.awaitLatestEvents(within: 30)
        // The length of this sleep is the option `--rest`.
        try await Task.sleep(for: .seconds(restSeconds))
        let after = MemoryReading(daemon.meter)
        let (delivery, catchUps) = try await group.withRecorder { ($0.delivery, $0.catchUps) }
        try await group.close()
        return Outcome(
            connectedSeconds: Double(times.connected) / 1e6, caughtUpSeconds: Double(times.caughtUp) / 1e6,
            catchUps: catchUps, replayed: replayed, before: before, peak: peak, after: after,
            usage: daemon.meter.isEmpty ? nil : times.usage, delivery: delivery)
    }
}

extension ResumeStorm.Outcome {
    static let table = ResultTable([
        "round", "all connected s", "all caught up s", "client p50 ms", "p99 ms", "max ms", "rejected", "disconnected",
        "events",
        "CPU s",
        "RSS before MiB", "peak", "after", "buffers before MiB", "peak", "after", "driver cores",
    ])

    func report(_ round: Int, _ table: inout ResultTable, _ document: inout ResultDocument) {
        let time = usage.map { $0.cpuMicroseconds / 1e6 }
        table.add([
            "\(round)", connectedSeconds.fixed(2), caughtUpSeconds.fixed(2), catchUps.p50.fixed(1),
            catchUps.p99.fixed(1),
            catchUps.maximum.fixed(1), "\(delivery.rejections + delivery.statusRejections)",
            "\(delivery.disconnects)", "\(replayed)", (time ?? .nan).fixed(2), before.residentBytes.mebibytes,
            peak.residentBytes.mebibytes, after.residentBytes.mebibytes, before.socketBytes.mebibytes,
            peak.socketBytes.mebibytes, after.socketBytes.mebibytes, delivery.driverCores.fixed(2),
        ])
        document.append(
            "windows",
            [
                "round": .measured(round), "connected_seconds": .measured(connectedSeconds),
                "caught_up_seconds": .measured(caughtUpSeconds), "catch_up": catchUps.json,
                "events": .measured(replayed), "refused": .measured(delivery.rejections),
                "refused_hard": .measured(delivery.statusRejections), "cut": .measured(delivery.disconnects),
                "cpu_seconds": .measured(time), "driver_cores": .measured(delivery.driverCores),
                "resident_bytes_before": .measured(before.residentBytes),
                "resident_bytes_peak": .measured(peak.residentBytes),
                "resident_bytes_after": .measured(after.residentBytes),
                "socket_bytes_before": .measured(before.socketBytes), "socket_bytes_peak": .measured(peak.socketBytes),
                "socket_bytes_after": .measured(after.socketBytes), "gaps": .measured(delivery.missing),
                "duplicates": .measured(delivery.duplicates),
            ])
        document.check(delivery, of: "round \(round)")
    }
}

/// Random numbers that depend only on the seed (SplitMix64).
private struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
