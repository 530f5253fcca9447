import ArgumentParser
import Glibc
import LongtakeCore
import NIOCore

/// `longtake-bench submit`
struct Submit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Durable submissions over HTTP: the rate, and the latency of one submission.",
        discussion: """
            Each connection waits for the response before it submits the next job. Many connections and few connections take turns: many \
            submissions share one sync of the disk. At the end the daemon must list as many jobs as it has accepted.
            """)

    @Option(help: "The number of connections, 1 to 1000.")
    var connections = 64
    @Option(help: "The number of connections to compare with, 1 to 1000; 0 for no comparison.")
    var against = 1
    @Option(help: "The length of each window in seconds, 0.5 to 600.")
    var seconds = 5.0
    @Option(help: "The number of rounds, each on new databases, 1 to 50.")
    var rounds = 3
    @Option(help: "The milliseconds to add to each disk sync of the daemon, 0 to 1000. This needs strace.")
    var syncDelayMs = 0
    @Flag(help: "Also compare with plain SQLite: the same rows, with one submission per connection in each commit.")
    var besideSqlite = false
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...1_000).contains(connections), (0...1_000).contains(against) else {
            throw ValidationError("--connections must be 1 to 1000, --against 0 to 1000")
        }
        guard (0.5...600).contains(seconds), (1...50).contains(rounds), (0...1_000).contains(syncDelayMs) else {
            throw ValidationError("--seconds must be 0.5 to 600, --rounds 1 to 50, --sync-delay-ms 0 to 1000")
        }
        if syncDelayMs > 0, daemon.url != nil {
            throw ValidationError(
                "--sync-delay-ms cannot be combined with --url: it needs a daemon that the driver starts")
        }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        var document = ResultDocument("submit")
        document["seconds"] = .number(seconds)
        document["sync_delay_milliseconds"] = .measured(syncDelayMs)
        var table = HTTPSubmissionLoad.Outcome.table
        var rates = PairedRounds()
        var ratesBesideSQLite = PairedRounds()
        let load = HTTPSubmissionLoad(seconds: seconds, syncDelayMilliseconds: syncDelayMs)
        for round in 1...rounds {
            ProgressMessage.write("round \(round) of \(rounds): \(connections) connections")
            let many = try await load.measure(connections: connections, daemon, in: output.directory)
            many.report(connections, round, &table, &document)
            if besideSqlite {
                ProgressMessage.write("round \(round) of \(rounds): plain SQLite")
                ratesBesideSQLite.add(many.perSecond, try await plainSQLiteRate())
            }
            guard against > 0 else { continue }
            ProgressMessage.write("round \(round) of \(rounds): \(against) connections")
            let few = try await load.measure(connections: against, daemon, in: output.directory)
            few.report(against, round, &table, &document)
            rates.add(many.perSecond, few.perSecond)
        }
        document.tables.append(table)
        if besideSqlite {
            document["rate_beside_sqlite"] = ratesBesideSQLite.json
            document.notes.append("submits/s over HTTP / by plain SQLite, medians: \(ratesBesideSQLite.text)")
        }
        guard against > 0 else { return document }
        document["rate"] = rates.json
        document.notes.append("submits/s, \(connections) / \(against) connections, medians: \(rates.text)")
        return document
    }

    /// The rate of submissions with plain SQLite, in its best case: the daemon cannot put more
    /// submissions into a commit than there are connections.
    private func plainSQLiteRate() async throws -> Double {
        let scratch = try ScratchDirectory(in: output.directory)
        defer { scratch.remove() }
        let connections = connections
        return try await PlainSQLite { connections }.submissionRate(in: scratch.path, for: .seconds(seconds))
    }
}

/// Opens connections that submit jobs over HTTP. Each waits for the response, which means that the
/// job is durable, before it submits the next one.
private struct HTTPSubmissionLoad {
    let seconds: Double
    let syncDelayMilliseconds: Int

    struct Outcome: Sendable {
        var accepted = 0
        var perSecond = 0.0
        var latencies = LatencyHistogram()
        var usage: ProcessMeter.Usage?
        /// The average number of processors that the driver itself used.
        var driverCores = 0.0
        /// The number of jobs that the daemon lists at the end, without those that it had before.
        var listed = 0
    }

    func measure(connections count: Int, _ options: DaemonOptions, in directory: String) async throws -> Outcome {
        let daemon = try await options.open(
            DaemonSettings(), in: directory, syncDelayMilliseconds: syncDelayMilliseconds)
        let client = JobClient(port: daemon.port)
        let listedBefore = try await client.heads().count
        let connections = try await open(count, to: daemon.port)
        let driver = ProcessMeter(processes: [getpid()])
        let (before, driverBefore) = (daemon.meter.read(), driver.read())
        let began = ContinuousClock.now
        let end = WallTime.microseconds() + Int64(seconds * 1_000_000)
        var outcome = try await SubmissionWindow.run(on: connections, until: end)
        outcome.perSecond = Double(outcome.accepted) / ((ContinuousClock.now - began) / .seconds(1))
        outcome.driverCores = driver.usage(since: driverBefore).cores
        if !daemon.meter.isEmpty { outcome.usage = daemon.meter.usage(since: before) }
        for connection in connections { try await connection.close() }
        outcome.listed = try await client.heads().count - listedBefore
        try await daemon.stop()
        return outcome
    }

    private func open(_ count: Int, to port: Int) async throws -> [HTTPConnection] {
        var connections: [HTTPConnection] = []
        for _ in 0..<count { connections.append(try await HTTPConnection.open(port: port, on: WatcherGroup.loop)) }
        return connections
    }
}

extension HTTPSubmissionLoad.Outcome {
    static let table = ResultTable([
        "connections", "round", "submits/s", "p50 ms", "p99 ms", "max ms", "CPU µs/submit", "cores",
        "driver cores",
    ])

    func report(_ connections: Int, _ round: Int, _ table: inout ResultTable, _ document: inout ResultDocument) {
        let cost = usage.map { $0.cpuMicroseconds / Double(max(1, accepted)) }
        table.add([
            "\(connections)", "\(round)", perSecond.fixed(0), latencies.p50.fixed(2), latencies.p99.fixed(2),
            latencies.maximum.fixed(2), (cost ?? .nan).fixed(1), (usage?.cores ?? .nan).fixed(3),
            driverCores.fixed(2),
        ])
        document.append(
            "windows",
            [
                "connections": .measured(connections), "round": .measured(round), "submits": .measured(accepted),
                "submits_per_second": .measured(perSecond), "latency": latencies.json,
                "cpu_microseconds_per_submit": .measured(cost), "cores": .measured(usage?.cores),
                "driver_cores": .measured(driverCores),
            ])
        if listed != accepted {
            document.addFault(
                "\(connections) connections, round \(round): the daemon accepted \(accepted) jobs and lists \(listed)")
        }
    }
}

/// One window of submissions on many connections of one event loop. It stays on that loop, because
/// changing threads for each request would cost more than the request.
private final class SubmissionWindow {
    private let connections: [HTTPConnection]
    private let end: Int64
    private let ended: EventLoopPromise<HTTPSubmissionLoad.Outcome>
    private var outcome = HTTPSubmissionLoad.Outcome()
    /// The number of connections that still submit.
    private var active = 0

    private init(
        _ connections: [HTTPConnection], _ end: Int64, _ ended: EventLoopPromise<HTTPSubmissionLoad.Outcome>
    ) {
        self.connections = connections
        self.end = end
        self.ended = ended
    }

    /// - Parameter end: in microseconds since 1970. Requests that were sent before it are awaited.
    /// - Returns: the number of accepted jobs, and the latencies.
    static func run(
        on connections: [HTTPConnection], until end: Int64
    ) async throws -> HTTPSubmissionLoad.Outcome {
        guard let loop = connections.first?.loop else { return HTTPSubmissionLoad.Outcome() }
        let ended = loop.makePromise(of: HTTPSubmissionLoad.Outcome.self)
        loop.execute {
            let window = SubmissionWindow(connections, end, ended)
            window.active = connections.count
            for index in connections.indices { window.submit(on: index) }
        }
        return try await ended.futureResult.get()
    }

    private func submit(on index: Int) {
        let sent = WallTime.microseconds()
        guard sent < end else {
            active -= 1
            if active == 0 { ended.succeed(outcome) }
            return
        }
        let request = JobClient.submission(to: "quiet", number: outcome.accepted)
        connections[index].send(request).assumeIsolated().whenComplete { response in
            do {
                let response = try response.get()
                guard response.status == 201 else { throw BenchFailure(rejectedSubmission: response) }
            } catch {
                return self.ended.fail(error)
            }
            self.outcome.latencies.record(microseconds: WallTime.microseconds() - sent)
            self.outcome.accepted += 1
            self.submit(on: index)
        }
    }
}
