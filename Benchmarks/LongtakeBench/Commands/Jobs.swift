import ArgumentParser
import LongtakeCore
import Synchronization

/// `longtake-bench jobs`
struct Jobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Many running jobs with one watcher each: whether all events arrive in order, and what they cost.")

    @Option(help: "The number of running jobs, 1 to 10000.")
    var jobs = 10_000
    @Option(
        help: """
            Events per second of each job, 0.1 to 50. Above 4, the daemon must support the setting reports.interval_milliseconds.
            """)
    var rate = 1.0
    @Option(help: "The length of the window in seconds, 1 to 600.")
    var seconds = 60.0
    @Option(help: "The number of rounds, each on a new database, 1 to 50.")
    var rounds = 1
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...10_000).contains(jobs), DaemonSettings.rates.contains(rate) else {
            throw ValidationError("--jobs must be 1 to 10000, --rate 0.1 to 50")
        }
        guard (1...600).contains(seconds), (1...50).contains(rounds) else {
            throw ValidationError("--seconds must be 1 to 600, --rounds 1 to 50")
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
        abstract: "Some jobs with many watchers: the latency of events.",
        discussion: """
            The latency of an event is the time from its `at` until the driver has read its bytes. The daemon sets `at` before the event is \
            durable, and truncates it to milliseconds.
            """)

    @Option(help: "The number of running jobs, 1 to 10000.")
    var jobs = 100
    @Option(
        help: """
            Events per second of each job, 0.1 to 50. Above 4, the daemon must support the setting reports.interval_milliseconds.
            """)
    var rate = 4.0
    @Option(help: "The number of watchers of all jobs together, 1 to 15000.")
    var watchers = 2_000
    @Option(help: "The length of the window in seconds, 1 to 600.")
    var seconds = 10.0
    @Option(help: "The number of rounds, each on a new database, 1 to 50.")
    var rounds = 1
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...10_000).contains(jobs), DaemonSettings.rates.contains(rate), (1...15_000).contains(watchers) else {
            throw ValidationError("--jobs must be 1 to 10000, --rate 0.1 to 50, --watchers 1 to 15000")
        }
        guard watchers >= jobs else {
            throw ValidationError("--watchers must be at least --jobs, because every job has a watcher")
        }
        guard (1...600).contains(seconds), (1...50).contains(rounds) else {
            throw ValidationError("--seconds must be 1 to 600, --rounds 1 to 50")
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

/// Runs jobs, spreads watchers evenly over them, and measures one window.
private struct JobLoad {
    let jobs: Int
    let rate: Double
    let watchers: Int
    let seconds: Double

    /// Low, so that opening the streams does not overload the daemon. `longtake-bench storm`
    /// measures that.
    private static let streamsOpenedPerSecond = 1_000.0

    private struct Outcome {
        let delivery: Delivery
        let usage: ProcessMeter.Usage?
        let maximumWALBytes: Int?
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
        // The jobs run already while the watchers connect, and must still run when the last one
        // has.
        let preparation = 60 + Double(jobs) / 100
        let settings = DaemonSettings(
            rate: rate, jobSeconds: min(seconds + preparation, DaemonSettings.maximumJobSeconds), workers: jobs)
        let daemon = try await options.open(settings, in: directory)
        ProgressMessage.write("submitting \(jobs) jobs")
        let client = JobClient(port: daemon.port)
        let submitted = try await client.submit(jobs, to: "bench")
        ProgressMessage.write("opening \(watchers) streams")
        let group = try await WatcherGroup.make()
        let requests = (0..<watchers).map { StreamRequest(submitted[$0 % jobs], number: $0 % jobs) }
        try await group.open(requests, port: daemon.port, over: Double(watchers) / Self.streamsOpenedPerSecond)
        try await group.warmUp(within: 60 + 4 / rate)
        ProgressMessage.write("measuring for \(seconds) s")
        let maximumWAL = Atomic(0)
        let (_, usage) = try await group.measure(seconds, daemon.meter) {
            maximumWAL.max(daemon.walBytes ?? 0, ordering: .relaxed)
        }
        let residentBytes = daemon.meter.residentBytes
        try await awaitLastEvents(submitted, group, client)
        let delivery = try await group.withRecorder { $0.delivery }
        try await group.close()
        try await daemon.stop()
        return Outcome(
            delivery: delivery, usage: daemon.meter.isEmpty ? nil : usage,
            maximumWALBytes: daemon.walBytes == nil && maximumWAL.load(ordering: .relaxed) == 0
                ? nil : maximumWAL.load(ordering: .relaxed),
            residentBytes: residentBytes)
    }

    /// Asks the daemon for the last event of each job, and waits until every watcher has it.
    private func awaitLastEvents(
        _ submitted: [SubmittedJob], _ group: WatcherGroup, _ client: JobClient
    ) async throws {
        let known = try await client.heads()
        let targets = submitted.map { known[$0.id] ?? .max }
        try await group.wait(30, for: "the last events of all jobs") { $0.countBehind(targets) == 0 }
    }

    private func report(
        _ outcome: Outcome, _ round: Int, _ table: inout ResultTable, _ document: inout ResultDocument
    ) {
        let (delivery, times) = (outcome.delivery, outcome.delivery.latencies)
        let perEvent = outcome.usage.map { $0.cpuMicroseconds / Double(max(1, delivery.events)) }
        let published = Double(delivery.published) / delivery.seconds
        table.add([
            "\(round)", published.fixed(1), delivery.eventsPerSecond.fixed(1), times.p50.fixed(2), times.p90.fixed(2),
            times.p99.fixed(2), times.p999.fixed(2), times.maximum.fixed(2), delivery.firsts.p99.fixed(2),
            delivery.spreads.p99.fixed(2), (perEvent ?? .nan).fixed(2),
            (outcome.usage?.cores ?? .nan).fixed(3), outcome.maximumWALBytes?.mebibytes ?? "–",
            outcome.residentBytes > 0 ? outcome.residentBytes.mebibytes : "–", delivery.driverCores.fixed(2),
        ])
        document.append(
            "windows",
            [
                "round": .measured(round), "events_per_second": .measured(published),
                "delivered_per_second": .measured(delivery.eventsPerSecond), "delivered": .measured(delivery.events),
                "latency": times.json, "latency_of_first": delivery.firsts.json,
                "latency_from_first": delivery.spreads.json, "cpu_microseconds_per_event": .measured(perEvent),
                "cores": .measured(outcome.usage?.cores), "driver_cores": .measured(delivery.driverCores),
                "wal_bytes_most": outcome.maximumWALBytes.map { .measured($0) } ?? .null,
                "resident_bytes": .measured(outcome.residentBytes), "gaps": .measured(delivery.missing),
                "duplicates": .measured(delivery.duplicates),
            ])
        document.notes.append(
            "round \(round): \(delivery.events) events in the window. From the first to the last event of every job: "
                + "\(delivery.missing) missing, \(delivery.duplicates) duplicated or out of order.")
        document.check(delivery, of: "round \(round)")
    }
}
