import ArgumentParser
import LongtakeAPI
import LongtakeCore

/// `longtake-bench commands`
struct CommandStages: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "commands",
        abstract: "Stages that are programs: how fast they start, what their messages cost, and what a flood does.",
        discussion: """
            A start is the time from the claim of a stage to the first line of its program, which prints the time. The time of the claim is \
            truncated to milliseconds, so a start seems up to 1 ms longer. The cost of a message is the difference between programs that \
            print messages and the same programs without, which take turns. The watchers of simulated jobs are measured alone and then \
            beside a program that fills standard output and standard error as fast as the daemon reads them.
            """)

    @Option(help: "The number of starts, one after the other, 0 to 10000.")
    var starts = 200
    @Option(help: "The messages of a program per second, 1 to 1000.")
    var rate = 100.0
    @Option(help: "The number of programs that print messages at once, 0 to 100; 0 for no such measurement.")
    var programs = 5
    @Option(help: "The number of simulated jobs beside the flood, 1 to 10000.")
    var jobs = 100
    @Option(help: "The number of watchers of these jobs, 0 to 15000; 0 for no such measurement.")
    var watchers = 2_000
    @Option(help: "The length of each window in seconds, 1 to 600.")
    var seconds = 10.0
    @Option(help: "The number of rounds, 1 to 50.")
    var rounds = 5
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (0...10_000).contains(starts), (1...1_000).contains(rate), (0...100).contains(programs) else {
            throw ValidationError("--starts must be 0 to 10000, --rate 1 to 1000, --programs 0 to 100")
        }
        guard (1...10_000).contains(jobs), (0...15_000).contains(watchers), watchers == 0 || watchers >= jobs else {
            throw ValidationError("--jobs must be 1 to 10000, --watchers 0 or at least --jobs, at most 15000")
        }
        guard (1...600).contains(seconds), (1...50).contains(rounds) else {
            throw ValidationError("--seconds must be 1 to 600, --rounds 1 to 50")
        }
        guard daemon.url == nil else {
            throw ValidationError("--url cannot be used: the pipelines are not those of `longtake-bench configuration`")
        }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        var document = ResultDocument("commands")
        document["seconds"] = .number(seconds)
        if starts > 0 { try await measureStarts(&document) }
        if programs > 0 { try await measureMessages(&document) }
        if watchers > 0 { try await measureFlood(&document) }
        return document
    }

    // MARK: Starts

    private func measureStarts(_ document: inout ResultDocument) async throws {
        ProgressMessage.write("\(starts) starts")
        var settings = DaemonSettings()
        settings.programs = [.init(name: "start", command: ["date", "+%s%N"])]
        let daemon = try await daemon.open(settings, in: output.directory)
        let client = JobClient(port: daemon.port)
        var (latencies, total) = (LatencyHistogram(), LatencyHistogram())
        let before = daemon.meter.read()
        for _ in 0..<starts {
            let jobs = try await client.submit(1, to: "start")
            let ended = try await client.awaitSuccess(of: jobs, within: 30, pause: .milliseconds(5))[0]
            guard let claimed = ended.startedAt, let finished = ended.finishedAt else { continue }
            let log = try await client.log(of: jobs[0])
            guard let printed = log.split(separator: "\n").lazy.compactMap({ Int64($0) }).first else {
                throw BenchFailure("a program has printed no time: \(log.prefix(200))")
            }
            latencies.record(microseconds: printed / 1_000 - claimed.millisecondsSince1970 * 1_000)
            total.record(
                microseconds: (finished.millisecondsSince1970 - claimed.millisecondsSince1970) * 1_000)
        }
        let usage = daemon.meter.usage(since: before)
        try await daemon.stop()
        var table = ResultTable(["time", "p50 ms", "p90 ms", "p99 ms", "max ms"])
        for (name, times) in [("claim to program", latencies), ("claim to end of stage", total)] {
            table.add([name, times.p50.fixed(2), times.p90.fixed(2), times.p99.fixed(2), times.maximum.fixed(2)])
        }
        document.tables.append(table)
        document.notes.append(
            "\((usage.cpuMicroseconds / 1e3 / Double(starts)).fixed(2)) ms of the daemon's CPU for each stage, "
                + "with its submission and about ten requests for its state, without its supervisor")
        document["start"] = latencies.json
        document["start_to_end"] = total.json
    }

    // MARK: Messages

    private func measureMessages(_ document: inout ResultDocument) async throws {
        let count = Int((rate * seconds).rounded())
        var settings = DaemonSettings()
        settings.programs = [
            .init(name: "messages", command: Self.reporter(count, rate, isSilent: false), isSpeaking: true),
            .init(name: "silence", command: Self.reporter(count, rate, isSilent: true), isSpeaking: true),
        ]
        settings.programWorkers = programs
        let daemon = try await daemon.open(settings, in: output.directory)
        var table = ResultTable(["programs", "round", "CPU ms", "cores", "seconds"])
        var costs: [Double] = []
        for round in 1...rounds {
            ProgressMessage.write("round \(round) of \(rounds): \(programs) programs with \(rate) messages a second")
            var times: [Double] = []
            for name in ["messages", "silence"] {
                let usage = try await usage(of: daemon, running: name)
                times.append(usage.cpuMicroseconds)
                table.add([
                    name, "\(round)", (usage.cpuMicroseconds / 1e3).fixed(1), usage.cores.fixed(4),
                    usage.wallSeconds.fixed(1),
                ])
            }
            costs.append((times[0] - times[1]) / Double(count * programs))
        }
        try await daemon.stop()
        document.tables.append(table)
        document["cpu_microseconds_per_message"] = .measured(costs.median)
        document.notes.append(
            "µs of the daemon's CPU for a message, median of \(rounds): \(costs.median.fixed(1)) "
                + "(\((costs.min() ?? .nan).fixed(1))…\((costs.max() ?? .nan).fixed(1)))")
    }

    private func usage(of daemon: DaemonUnderTest, running name: String) async throws -> ProcessMeter.Usage {
        let client = JobClient(port: daemon.port)
        let before = daemon.meter.read()
        let jobs = try await client.submit(programs, to: name)
        _ = try await client.awaitSuccess(of: jobs, within: seconds * 3 + 30)
        return daemon.meter.usage(since: before)
    }

    /// A program that prints progress evenly.
    private static func reporter(_ count: Int, _ rate: Double, isSilent: Bool) -> [String] {
        let pause = "select(undef, undef, undef, \(1 / rate))"
        let message = "print(chr(123), '\"progress\":', $_/\(count), chr(125), qq(\\n))"
        return ["perl", "-e", "$|=1; \(isSilent ? pause : "\(message), \(pause)") for 1..\(count)"]
    }

    // MARK: Flood

    private func measureFlood(_ document: inout ResultDocument) async throws {
        var settings = DaemonSettings(jobSeconds: min(3_000, 120 + Double(rounds) * (2 * seconds + 30)), workers: jobs)
        settings.programs = [
            .init(name: "flood", command: ["sh", "-c", "yes a line that says nothing >&2 & exec yes another line"])
        ]
        let daemon = try await daemon.open(settings, in: output.directory)
        let client = JobClient(port: daemon.port)
        let submitted = try await client.submit(jobs, to: "bench")
        let group = try await WatcherGroup.make()
        let requests = (0..<watchers).map { StreamRequest(submitted[$0 % jobs], number: $0 % jobs) }
        try await group.open(requests, port: daemon.port, over: Double(watchers) / 1_000)
        try await group.warmUp(within: 60)
        var table = ResultTable([
            "round", "alone: p50 ms", "p99", "cores", "beside: p50 ms", "p99", "cores",
        ])
        var (p99s, medians) = (PairedRounds(), PairedRounds())
        for round in 1...rounds {
            ProgressMessage.write("round \(round) of \(rounds): \(watchers) watchers alone and beside a flood")
            let alone = try await group.measure(seconds, daemon.meter)
            let flood = try await client.submit(1, to: "flood")[0]
            while try await client.log(of: flood).isEmpty {
                // Polls until the program writes. A stream would add a watcher.
                try await Task.sleep(for: .milliseconds(50))
            }
            let beside = try await group.measure(seconds, daemon.meter)
            try await client.cancel(flood, within: 30)
            let times = [alone.delivery.latencies, beside.delivery.latencies]
            p99s.add(times[1].p99, times[0].p99)
            medians.add(times[1].p50, times[0].p50)
            table.add([
                "\(round)", times[0].p50.fixed(2), times[0].p99.fixed(2), alone.usage.cores.fixed(2),
                times[1].p50.fixed(2), times[1].p99.fixed(2), beside.usage.cores.fixed(2),
            ])
        }
        try await group.awaitLatestEvents(within: 15)
        let delivery = try await group.withRecorder { $0.delivery }
        try await group.close()
        try await daemon.stop()
        document.tables.append(table)
        (document["p99_beside_flood"], document["p50_beside_flood"]) = (p99s.json, medians.json)
        document.notes.append("p99 in ms, beside the flood / alone, medians: \(p99s.text)")
        document.notes.append("p50 in ms, beside the flood / alone, medians: \(medians.text)")
        document.check(delivery, of: "watchers")
    }
}
