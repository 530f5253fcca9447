import ArgumentParser
import LongtakeCore
import Synchronization

/// `longtake-bench jobs`
struct Jobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Many running jobs with a watcher each: whether all events come, in order, and what that takes.")

    @Option(help: "How many jobs run, 1 to 10000.")
    var jobs = 10_000
    @Option(help: "Events a second of each, 0.1 to 50; above 4 the daemon has to know reports.interval_milliseconds.")
    var rate = 1.0
    @Option(help: "How long the window is, 1 to 600.")
    var seconds = 60.0
    @Option(help: "How many rounds, each on a fresh database, 1 to 50.")
    var rounds = 1
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...10_000).contains(jobs), BenchSettings.rates.contains(rate) else {
            throw ValidationError("--jobs is 1 to 10000, --rate 0.1 to 50")
        }
        guard (1...600).contains(seconds), (1...50).contains(rounds) else {
            throw ValidationError("--seconds is 1 to 600, --rounds 1 to 50")
        }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        let load = JobLoad(jobs: jobs, rate: rate, watchers: jobs, seconds: seconds)
        return try await load.measure("jobs", rounds: rounds, daemon, in: output.directory)
    }
}

/// `longtake-bench latency`
struct Latency: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Some jobs, watchers spread over them: how late events come.",
        discussion: """
            A time counts from the `at` of the event, which the daemon sets before the event is durable and cuts to milliseconds, until the \
            driver has read its bytes.
            """)

    @Option(help: "How many jobs run, 1 to 10000.")
    var jobs = 100
    @Option(help: "Events a second of each, 0.1 to 50; above 4 the daemon has to know reports.interval_milliseconds.")
    var rate = 4.0
    @Option(help: "How many watch in all, 1 to 15000.")
    var watchers = 2_000
    @Option(help: "How long the window is, 1 to 600.")
    var seconds = 10.0
    @Option(help: "How many rounds, each on a fresh database, 1 to 50.")
    var rounds = 1
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...10_000).contains(jobs), BenchSettings.rates.contains(rate), (1...15_000).contains(watchers) else {
            throw ValidationError("--jobs is 1 to 10000, --rate 0.1 to 50, --watchers 1 to 15000")
        }
        guard watchers >= jobs else { throw ValidationError("--watchers is at least --jobs: every job is watched") }
        guard (1...600).contains(seconds), (1...50).contains(rounds) else {
            throw ValidationError("--seconds is 1 to 600, --rounds 1 to 50")
        }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        let load = JobLoad(jobs: jobs, rate: rate, watchers: watchers, seconds: seconds)
        return try await load.measure("latency", rounds: rounds, daemon, in: output.directory)
    }
}

/// Running jobs, watchers spread evenly over them, and a window in which all is measured.
struct JobLoad: Sendable {
    let jobs: Int
    let rate: Double
    let watchers: Int
    let seconds: Double

    /// Slow enough that opening them all is no storm; that is a measurement of its own.
    private static let streamsOpenedPerSecond = 1_000.0

    private struct Outcome {
        let delivery: Delivery
        let usage: ProcessMeter.Usage?
        let walBytesMost: Int?
        let residentBytes: Int
    }

    func measure(
        _ command: String, rounds: Int, _ options: DaemonOptions, in directory: String
    ) async throws -> ResultDocument {
        var document = ResultDocument(command)
        document["jobs"] = .measured(jobs)
        document["rate"] = .number(rate)
        document["watchers"] = .measured(watchers)
        document["seconds"] = .number(seconds)
        var table = ResultTable([
            "round", "events/s", "delivered/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "first p99",
            "spread p99", "CPU µs/event",
            "cores",
            "WAL MiB", "RSS MiB", "driver cores",
        ])
        for round in 1...rounds {
            report(try await measureOnce(options, in: directory), round, &table, &document)
        }
        document.tables.append(table)
        return document
    }

    private func measureOnce(_ options: DaemonOptions, in directory: String) async throws -> Outcome {
        // Watchers open while jobs run already, and the last ones have to find theirs still running.
        let preparation = 60 + Double(jobs) / 100
        let settings = BenchSettings(
            rate: rate, jobSeconds: min(seconds + preparation, BenchSettings.jobSecondsMost), workers: jobs)
        let daemon = try await options.open(settings, in: directory)
        ProgressLine.say("submitting \(jobs) jobs")
        let desk = JobDesk(port: daemon.port)
        let submitted = try await desk.submit(jobs, to: "bench")
        ProgressLine.say("opening \(watchers) streams")
        let group = try await WatcherGroup.make()
        let plans = (0..<watchers).map { WatchPlan(submitted[$0 % jobs], number: $0 % jobs) }
        try await group.open(plans, port: daemon.port, over: Double(watchers) / Self.streamsOpenedPerSecond)
        try await group.awaitWarm(within: 60 + 4 / rate)
        ProgressLine.say("measuring for \(seconds) s")
        let walMost = Atomic(0)
        let (_, usage) = try await group.measure(seconds, daemon.meter) {
            walMost.max(daemon.walBytes ?? 0, ordering: .relaxed)
        }
        let residentBytes = daemon.meter.residentBytes
        try await awaitAll(submitted, group, desk)
        let delivery = try await group.read { $0.delivery }
        try await group.close()
        try await daemon.stop()
        return Outcome(
            delivery: delivery, usage: daemon.meter.isBlind ? nil : usage,
            walBytesMost: daemon.walBytes == nil && walMost.load(ordering: .relaxed) == 0
                ? nil : walMost.load(ordering: .relaxed),
            residentBytes: residentBytes)
    }

    /// Waits until every watcher has what the daemon says its job's log has.
    private func awaitAll(_ submitted: [SubmittedJob], _ group: WatcherGroup, _ desk: JobDesk) async throws {
        let known = try await desk.heads()
        let targets = submitted.map { known[$0.id] ?? .max }
        try await group.wait(30, for: "the last events of all jobs") { $0.behind(targets) == 0 }
    }

    private func report(
        _ outcome: Outcome, _ round: Int, _ table: inout ResultTable, _ document: inout ResultDocument
    ) {
        let (delivery, times) = (outcome.delivery, outcome.delivery.latencies)
        let perEvent = outcome.usage.map { $0.cpuMicroseconds / Double(max(1, delivery.events)) }
        let published = Double(delivery.published) / delivery.seconds
        table.add([
            "\(round)", published.shown(1), delivery.eventsPerSecond.shown(1), times.p50.shown(2), times.p90.shown(2),
            times.p99.shown(2), times.p999.shown(2), times.most.shown(2), delivery.firsts.p99.shown(2),
            delivery.spreads.p99.shown(2), (perEvent ?? .nan).shown(2),
            (outcome.usage?.cores ?? .nan).shown(3), outcome.walBytesMost?.mebibytes ?? "–",
            outcome.residentBytes > 0 ? outcome.residentBytes.mebibytes : "–", delivery.driverCores.shown(2),
        ])
        document.append(
            "windows",
            [
                "round": .measured(round), "events_per_second": .measured(published),
                "delivered_per_second": .measured(delivery.eventsPerSecond), "delivered": .measured(delivery.events),
                "latency": times.json, "latency_of_first": delivery.firsts.json,
                "latency_from_first": delivery.spreads.json, "cpu_microseconds_per_event": .measured(perEvent),
                "cores": .measured(outcome.usage?.cores), "driver_cores": .measured(delivery.driverCores),
                "wal_bytes_most": outcome.walBytesMost.map { .measured($0) } ?? .null,
                "resident_bytes": .measured(outcome.residentBytes), "gaps": .measured(delivery.gaps),
                "duplicates": .measured(delivery.duplicates),
            ])
        document.notes.append(
            "round \(round): \(delivery.events) events in the window; \(delivery.gaps) missing, \(delivery.duplicates) twice or out of order "
                + "from the first event of every job to the last")
        document.expect(delivery, "round \(round)")
    }
}
