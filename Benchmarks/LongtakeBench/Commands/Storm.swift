import ArgumentParser
import LongtakeCore

/// `longtake-bench storm`
struct Storm: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "All clients of many running jobs resume at once: how long until each has what it missed.",
        discussion: """
            Each client resumes with a cursor that is so many events behind its job's log as chance says, the same in every run. The jobs \
            go on meanwhile. A client has caught up when it has the last event that its hello told of.
            """)

    @Option(help: "How many clients, 1 to 15000.")
    var clients = 10_000
    @Option(help: "How many jobs they are spread over, 1 to 10000.")
    var jobs = 1_000
    @Option(help: "How many events a client has missed at most, 0 to 2000; all numbers up to it are as likely.")
    var behind = 200
    @Option(help: "Events a second of each job, before the storm and in it, 0.1 to 50.")
    var rate = 4.0
    @Option(help: "In how many seconds the clients begin to connect, 0 to 60.")
    var within = 1.0
    @Option(help: "In how many seconds behind the storm the memory is read again, 0 to 600; the clients stay.")
    var rest = 20.0
    @Option(help: "How many rounds, each on a fresh database, 1 to 50.")
    var rounds = 1
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...15_000).contains(clients), (1...10_000).contains(jobs), clients >= jobs else {
            throw ValidationError("--clients is 1 to 15000, --jobs 1 to 10000 and not above --clients")
        }
        guard (0...2_000).contains(behind), BenchSettings.rates.contains(rate), (0...60).contains(within) else {
            throw ValidationError("--behind is 0 to 2000, --rate 0.1 to 50, --within 0 to 60")
        }
        guard Double(behind) / rate < 1_000 else { throw ValidationError("--behind at --rate would take too long") }
        guard (1...50).contains(rounds), (0...600).contains(rest) else {
            throw ValidationError("--rounds is 1 to 50, --rest 0 to 600")
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
        let storm = ResumeStorm(clients: clients, jobs: jobs, rate: rate, behind: behind, spread: within, rest: rest)
        for round in 1...rounds {
            let outcome = try await storm.measure(daemon, in: output.directory, seed: UInt64(round))
            outcome.report(round, &table, &document)
        }
        document.tables.append(table)
        return document
    }
}

/// Clients of running jobs who all come back at once, each some events behind.
struct ResumeStorm: Sendable {
    let clients: Int
    let jobs: Int
    let rate: Double
    let behind: Int
    /// In which time the clients begin to connect, evenly.
    let spread: Double
    /// How many seconds after all have caught up the memory is read again, the clients still there.
    let rest: Double

    struct Outcome: Sendable {
        let connectedSeconds: Double
        let caughtUpSeconds: Double
        /// From a client's connection until it had the last event that its hello told of.
        let catchUps: LatencyHistogram
        let replayed: Int
        let before: MemoryReading
        let peak: MemoryReading
        let after: MemoryReading
        let usage: ProcessMeter.Usage?
        let delivery: Delivery
    }

    func measure(_ options: DaemonOptions, in directory: String, seed: UInt64) async throws -> Outcome {
        let filling = Double(behind + 10) / rate * 1.5 + 60
        let settings = BenchSettings(
            rate: rate, jobSeconds: min(filling + 180 + Double(clients) / 100, BenchSettings.jobSecondsMost),
            workers: jobs)
        let daemon = try await options.open(settings, in: directory)
        let desk = JobDesk(port: daemon.port)
        ProgressLine.say("\(jobs) jobs, until each has more than \(behind) events")
        let submitted = try await desk.submit(jobs, to: "bench")
        try await desk.awaitHeads(submitted, atLeast: UInt64(behind + 1), within: filling)
        var generator = SeededGenerator(seed: seed)
        let heads = try await desk.heads()
        let plans = (0..<clients).map { number -> WatchPlan in
            let job = submitted[number % jobs]
            let cursor = (heads[job.id] ?? 0) - UInt64.random(in: 0...UInt64(behind), using: &generator)
            return WatchPlan(job, number: number % jobs, after: cursor)
        }
        let outcome = try await resume(plans, daemon)
        try await daemon.stop()
        return outcome
    }

    private func resume(_ plans: [WatchPlan], _ daemon: DaemonUnderTest) async throws -> Outcome {
        let before = try await MemoryReading.settled(daemon.meter, within: 10)
        let group = try await WatcherGroup.make()
        ProgressLine.say("\(clients) clients resume")
        let (times, peak) = try await MemoryPeak.during(daemon.meter) {
            let reading = daemon.meter.read()
            let began = WallTime.microseconds()
            try await group.read { $0.beginWindow() }
            try await group.open(plans, port: daemon.port, over: spread)
            let connected = WallTime.microseconds()
            try await group.wait(120, for: "the end of what all have missed") { [clients] in $0.caughtUpCount == clients
            }
            let caughtUp = try await group.read { $0.caughtUpAt }
            let usage = daemon.meter.usage(since: reading)
            return (connected: connected - began, caughtUp: caughtUp - began, usage: usage)
        }
        let replayed = try await group.read { $0.endWindow().events }
        try await group.awaitAll(within: 30)
        try await Task.sleep(for: .seconds(rest))
        let after = MemoryReading(daemon.meter)
        let (delivery, catchUps) = try await group.read { ($0.delivery, $0.catchUps) }
        try await group.close()
        return Outcome(
            connectedSeconds: Double(times.connected) / 1e6, caughtUpSeconds: Double(times.caughtUp) / 1e6,
            catchUps: catchUps, replayed: replayed, before: before, peak: peak, after: after,
            usage: daemon.meter.isBlind ? nil : times.usage, delivery: delivery)
    }
}

extension ResumeStorm.Outcome {
    static let table = ResultTable([
        "round", "all connected s", "all caught up s", "client p50 ms", "p99 ms", "max ms", "refused", "cut", "events",
        "CPU s",
        "RSS before MiB", "peak", "after", "buffers before MiB", "peak", "after", "driver cores",
    ])

    func report(_ round: Int, _ table: inout ResultTable, _ document: inout ResultDocument) {
        let time = usage.map { $0.cpuMicroseconds / 1e6 }
        table.add([
            "\(round)", connectedSeconds.shown(2), caughtUpSeconds.shown(2), catchUps.p50.shown(1),
            catchUps.p99.shown(1),
            catchUps.most.shown(1), "\(delivery.refusals + delivery.hardRefusals)", "\(delivery.cuts)", "\(replayed)",
            (time ?? .nan).shown(2), before.residentBytes.mebibytes,
            peak.residentBytes.mebibytes, after.residentBytes.mebibytes, before.socketBytes.mebibytes,
            peak.socketBytes.mebibytes, after.socketBytes.mebibytes, delivery.driverCores.shown(2),
        ])
        document.append(
            "windows",
            [
                "round": .measured(round), "connected_seconds": .measured(connectedSeconds),
                "caught_up_seconds": .measured(caughtUpSeconds), "catch_up": catchUps.json,
                "events": .measured(replayed), "refused": .measured(delivery.refusals),
                "refused_hard": .measured(delivery.hardRefusals), "cut": .measured(delivery.cuts),
                "cpu_seconds": .measured(time), "driver_cores": .measured(delivery.driverCores),
                "resident_bytes_before": .measured(before.residentBytes),
                "resident_bytes_peak": .measured(peak.residentBytes),
                "resident_bytes_after": .measured(after.residentBytes),
                "socket_bytes_before": .measured(before.socketBytes), "socket_bytes_peak": .measured(peak.socketBytes),
                "socket_bytes_after": .measured(after.socketBytes), "gaps": .measured(delivery.gaps),
                "duplicates": .measured(delivery.duplicates),
            ])
        document.expect(delivery, "round \(round)")
    }
}

/// The same seed, the same numbers (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
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
