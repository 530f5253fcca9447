import ArgumentParser
import LongtakeCore

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
