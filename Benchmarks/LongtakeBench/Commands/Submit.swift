import ArgumentParser
import Glibc
import LongtakeCore
import NIOCore

/// `longtake-bench submit`
struct Submit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Durable submissions over HTTP: how many a second, and how long one takes.",
        discussion: """
            Each connection waits for the answer before it submits again. Many connections and few are measured in turn: what they share is \
            the sync of the disk. In the end the daemon has to list as many jobs as it accepted.
            """)

    @Option(help: "How many connections, 1 to 1000.")
    var connections = 64
    @Option(help: "How many connections to measure in turn with them, 1 to 1000; 0 for none.")
    var against = 1
    @Option(help: "How long each window is, 0.5 to 600.")
    var seconds = 5.0
    @Option(help: "How many rounds, each on fresh databases, 1 to 50.")
    var rounds = 3
    @Option(help: "Makes each sync of the daemon's disk take so much longer, 0 to 1000; needs strace.")
    var syncDelayMs = 0
    @Flag(help: "Measure plain SQLite in turn as well: the same rows, as many a commit as there are connections.")
    var besideSqlite = false
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...1_000).contains(connections), (0...1_000).contains(against) else {
            throw ValidationError("--connections is 1 to 1000, --against 0 to 1000")
        }
        guard (0.5...600).contains(seconds), (1...50).contains(rounds), (0...1_000).contains(syncDelayMs) else {
            throw ValidationError("--seconds is 0.5 to 600, --rounds 1 to 50, --sync-delay-ms 0 to 1000")
        }
        if syncDelayMs > 0, daemon.url != nil {
            throw ValidationError("--sync-delay-ms is for a daemon that is started here, not for --url")
        }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        var document = ResultDocument("submit")
        document["seconds"] = .number(seconds)
        document["sync_delay_milliseconds"] = .measured(syncDelayMs)
        var table = SubmissionLoad.Outcome.table
        var rates = Rounds()
        var bare = Rounds()
        let load = SubmissionLoad(seconds: seconds, syncDelayMilliseconds: syncDelayMs)
        for round in 1...rounds {
            ProgressLine.say("round \(round) of \(rounds): \(connections) connections")
            let many = try await load.measure(connections: connections, daemon, in: output.directory)
            many.report(connections, round, &table, &document)
            if besideSqlite {
                ProgressLine.say("round \(round) of \(rounds): plain SQLite")
                bare.add(ours: many.perSecond, theirs: try await plainSQLite())
            }
            guard against > 0 else { continue }
            ProgressLine.say("round \(round) of \(rounds): \(against) connections")
            let few = try await load.measure(connections: against, daemon, in: output.directory)
            few.report(against, round, &table, &document)
            rates.add(ours: many.perSecond, theirs: few.perSecond)
        }
        document.tables.append(table)
        if besideSqlite {
            document["rate_beside_sqlite"] = bare.json
            document.notes.append("submits/s over HTTP / by plain SQLite, medians: \(bare.described)")
        }
        guard against > 0 else { return document }
        document["rate"] = rates.json
        document.notes.append("submits/s, \(connections) / \(against) connections, medians: \(rates.described)")
        return document
    }

    /// How many submissions' rows a second it writes. No daemon gathers more for a commit than there are connections, so this is its best case.
    private func plainSQLite() async throws -> Double {
        let scratch = try ScratchDirectory(in: output.directory)
        defer { scratch.remove() }
        let connections = connections
        return try await BareRows { connections }.submits(in: scratch.path, for: .seconds(seconds))
    }
}

/// Connections that submit one job after the other over HTTP, each waiting for the answer, which means that the job is durable.
struct SubmissionLoad: Sendable {
    let seconds: Double
    let syncDelayMilliseconds: Int

    struct Outcome: Sendable {
        var accepted = 0
        var perSecond = 0.0
        var latencies = LatencyHistogram()
        var usage: ProcessMeter.Usage?
        /// How much of a processor the driver itself used.
        var driverCores = 0.0
        /// How many jobs the daemon lists in the end.
        var kept = 0
    }

    func measure(connections: Int, _ options: DaemonOptions, in directory: String) async throws -> Outcome {
        let daemon = try await options.open(
            BenchSettings(), in: directory, syncDelayMilliseconds: syncDelayMilliseconds)
        let desk = JobDesk(port: daemon.port)
        let keptBefore = try await desk.heads().count
        let lines = try await open(connections, to: daemon.port)
        let driver = ProcessMeter(processes: [getpid()])
        let (before, driverBefore) = (daemon.meter.read(), driver.read())
        let began = ContinuousClock.now
        let end = WallTime.microseconds() + Int64(seconds * 1_000_000)
        var outcome = try await Submitter.run(on: lines, until: end)
        outcome.perSecond = Double(outcome.accepted) / ((ContinuousClock.now - began) / .seconds(1))
        outcome.driverCores = driver.usage(since: driverBefore).cores
        if !daemon.meter.isBlind { outcome.usage = daemon.meter.usage(since: before) }
        for line in lines { try await line.close() }
        outcome.kept = try await desk.heads().count - keptBefore
        try await daemon.stop()
        return outcome
    }

    private func open(_ count: Int, to port: Int) async throws -> [RequestConnection] {
        var lines: [RequestConnection] = []
        for _ in 0..<count { lines.append(try await RequestConnection.open(port: port, on: WatcherGroup.loop)) }
        return lines
    }
}

extension SubmissionLoad.Outcome {
    static let table = ResultTable([
        "connections", "round", "submits/s", "p50 ms", "p99 ms", "max ms", "CPU µs/submit", "cores",
        "driver cores",
    ])

    func report(_ connections: Int, _ round: Int, _ table: inout ResultTable, _ document: inout ResultDocument) {
        let cost = usage.map { $0.cpuMicroseconds / Double(max(1, accepted)) }
        table.add([
            "\(connections)", "\(round)", perSecond.shown(0), latencies.p50.shown(2), latencies.p99.shown(2),
            latencies.most.shown(2), (cost ?? .nan).shown(1), (usage?.cores ?? .nan).shown(3),
            driverCores.shown(2),
        ])
        document.append(
            "windows",
            [
                "connections": .measured(connections), "round": .measured(round), "submits": .measured(accepted),
                "submits_per_second": .measured(perSecond), "latency": latencies.json,
                "cpu_microseconds_per_submit": .measured(cost), "cores": .measured(usage?.cores),
                "driver_cores": .measured(driverCores),
            ])
        if kept != accepted {
            document.blame(
                "\(connections) connections, round \(round): \(accepted) jobs were accepted and \(kept) are listed")
        }
    }
}

/// Submits on many connections of one loop, on each one job after the other, and stays on that loop: a change of thread for each request would
/// cost the driver more than the request.
final class Submitter {
    private let lines: [RequestConnection]
    private let end: Int64
    private let ended: EventLoopPromise<SubmissionLoad.Outcome>
    private var outcome = SubmissionLoad.Outcome()
    /// How many connections are still at it.
    private var active = 0

    private init(_ lines: [RequestConnection], _ end: Int64, _ ended: EventLoopPromise<SubmissionLoad.Outcome>) {
        self.lines = lines
        self.end = end
        self.ended = ended
    }

    /// - Parameter end: in microseconds since 1970; what was sent before it is waited for.
    /// - Returns: what was accepted, and how long that took.
    static func run(on lines: [RequestConnection], until end: Int64) async throws -> SubmissionLoad.Outcome {
        guard let loop = lines.first?.loop else { return SubmissionLoad.Outcome() }
        let ended = loop.makePromise(of: SubmissionLoad.Outcome.self)
        loop.execute {
            let submitter = Submitter(lines, end, ended)
            submitter.active = lines.count
            for line in lines.indices { submitter.submit(on: line) }
        }
        return try await ended.futureResult.get()
    }

    private func submit(on line: Int) {
        let sent = WallTime.microseconds()
        guard sent < end else {
            active -= 1
            if active == 0 { ended.succeed(outcome) }
            return
        }
        let request = JobDesk.submission(to: "quiet", number: outcome.accepted)
        lines[line].send(request).assumeIsolated().whenComplete { answer in
            do {
                let answer = try answer.get()
                guard answer.status == 201 else { throw BenchFailure(refusing: answer) }
            } catch {
                return self.ended.fail(error)
            }
            self.outcome.latencies.record(microseconds: WallTime.microseconds() - sent)
            self.outcome.accepted += 1
            self.submit(on: line)
        }
    }
}

extension BenchFailure {
    init(refusing answer: Answer) {
        self.init("a submission was answered with \(answer.status): \(String(buffer: answer.body))")
    }
}
