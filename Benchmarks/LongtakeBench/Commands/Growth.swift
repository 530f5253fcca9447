import ArgumentParser
import FoundationEssentials
import GRDB
import Glibc
import Logging
import LongtakeCore
import LongtakeSQLite

/// `longtake-bench growth`: a database of millions of events beside a new one, or submits beside pruning.
struct Growth: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares a database of millions of events with a new one: what a call costs on each, and the ratio.",
        discussion: """
            Fills a database with finished jobs, then measures single calls of one caller on it and on one of \(Self.smallJobs) jobs, in turn \
            (A B A B …). The ratio is the median of the rounds' ratios. It takes some 5 KB of disk a job, and minutes.
            """)

    @Option(help: "Finished jobs in the large database.")
    var jobs = 1_000_000
    @Option(help: "Events of each of these jobs, 8 to 1000.")
    var eventsPerJob = 10
    @Option(help: "Times that the two databases are measured in turn.")
    var rounds = 5
    @Option(help: "Calls of each kind in a round; the round's number is their median.")
    var calls = 200
    @Option(help: "Where the databases are made; the file system matters. They are removed afterwards.")
    var directory = FileManager.default.temporaryDirectory.path
    @Option(help: ArgumentHelp("Keeps the large database there, and uses it again.", valueName: "directory"))
    var keep: String?
    @Option(help: "With --pruning: rows that one transaction deletes.")
    var rows = 1_000
    @Flag(help: "Measures submits beside the pruning of the large database instead; a part of it is gone afterwards.")
    var pruning = false

    /// Enough for every list to have a full page, and little enough to be in every cache.
    static let smallJobs = 400

    func validate() throws {
        guard jobs >= 1_000, (8...1_000).contains(eventsPerJob), (1...50).contains(rounds),
            (10...10_000).contains(calls)
        else {
            throw ValidationError(
                "--jobs is 1000 or more, --events-per-job 8 to 1000, --rounds 1 to 50, --calls 10 to 10000")
        }
    }

    func run() async throws {
        let document = try await measure()
        print(document.text)
        if !document.faults.isEmpty { throw ExitCode(1) }
    }

    func measure() async throws -> ResultDocument {
        var document = ResultDocument("growth")
        let scratch = try ScratchDirectory(in: directory)
        let large = keep ?? scratch.path + "/large"
        defer { scratch.remove() }
        try await seed(scratch.path + "/small", Self.smallJobs)
        if !FileManager.default.fileExists(atPath: large + "/seeded") {
            guard !FileManager.default.fileExists(atPath: large + "/longtake.db") else {
                throw ValidationError(
                    "\(large) holds a database that was not seeded to its end, or was pruned; remove it first")
            }
            try await seed(large, jobs)
            try Data("\(jobs)".utf8).write(to: URL(filePath: large + "/seeded"))
        }
        let seeded = Int(try String(contentsOf: URL(filePath: large + "/seeded"), encoding: .utf8)) ?? jobs
        if pruning {
            // What is pruned is not the database that the marker tells of.
            try FileManager.default.removeItem(atPath: large + "/seeded")
            try await GrowthPruning(directory: large, rounds: rounds, rows: rows).run(&document)
            return document
        }
        let comparison = GrowthComparison(
            large: try await GrowthProbe(directory: large, jobs: seeded),
            small: try await GrowthProbe(directory: scratch.path + "/small", jobs: Self.smallJobs), rounds: rounds,
            calls: calls)
        document.notes.append(
            "\(seeded) finished jobs in \(large) beside \(Self.smallJobs), medians of \(rounds) rounds of \(calls) calls"
        )
        document.notes += try await comparison.run()
        return document
    }

    private func seed(_ directory: String, _ jobs: Int) async throws {
        let begin = ContinuousClock.now
        let seed = GrowthSeed(directory: directory, jobs: jobs, eventsPerJob: eventsPerJob) { done in
            let seconds = Int((ContinuousClock.now - begin) / .seconds(1))
            let line = Array("seeded \(done) of \(jobs) jobs in \(seconds) s\n".utf8)
            _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        }
        try await seed.run()
    }
}

/// The large database beside the small one, call by call in turn, so that what the machine does meanwhile meets both.
struct GrowthComparison {
    let large: GrowthProbe
    let small: GrowthProbe
    let rounds: Int
    let calls: Int

    /// The table, as lines.
    func run() async throws -> [String] {
        var lines = ["call                        large        small    ratio"]
        for (name, call) in GrowthProbe.calls {
            // Once unmeasured, so that neither pays for what only the first call does.
            for _ in 0..<10 { _ = (try await call(large), try await call(small)) }
            lines.append(
                try await line(name) {
                    var (left, right) = ([Duration](), [Duration]())
                    for _ in 0..<calls {
                        left.append(try await call(large))
                        right.append(try await call(small))
                    }
                    return (left.median, right.median)
                })
        }
        lines.append(try await line("open to ready") { (try await large.reopen(), try await small.reopen()) })
        try await large.close()
        try await small.close()
        return lines
    }

    private func line(
        _ name: String, _ round: () async throws -> (large: Duration, small: Duration)
    ) async throws -> String {
        var pairs = Rounds()
        for _ in 0..<rounds {
            let (large, small) = try await round()
            pairs.add(ours: large / .microseconds(1), theirs: small / .microseconds(1))
        }
        func cell(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        return name + cell("\(pairs.ours.median.shown(0)) µs", 33 - name.count)
            + cell("\(pairs.theirs.median.shown(0)) µs", 13) + cell(pairs.ratio.shown(2), 9)
    }
}

extension [Duration] {
    var median: Duration { .microseconds(map { $0 / .microseconds(1) }.median) }

    /// The time that this part of all stay below.
    func quantile(_ part: Double) -> Duration { sorted()[Swift.min(count - 1, Int(Double(count) * part))] }
}

/// What submits cost while the large database is pruned, beside what they cost without.
struct GrowthPruning {
    let directory: String
    let rounds: Int
    let rows: Int

    private static let time: Duration = .seconds(4)

    func run(_ document: inout ResultDocument) async throws {
        let clock = GrowthClock()
        let journal = try await GrowthDatabase.open(directory, clock)
        document.notes.append(
            "submits beside pruning of \(rows) rows a transaction, \(rounds) rounds of \(Self.time) each way")
        for callers in [1, 64] {
            var (without, with): ([Duration], [Duration]) = ([], [])
            var removed: Int64 = 0
            for round in 1...rounds {
                without += try await submits(journal, clock, callers)
                let pruner = Pruner(
                    journal: journal, retention: Retention(age: .seconds(5 * 86_400), maxBytes: nil),
                    clock: ContinuousClock(), wallClock: clock, rows: rows,
                    logger: Logger(label: "growth") { _ in SwiftLogNoOpLogHandler() })
                let before = try firstJob()
                let pruning = Task { await pruner.run() }
                with += try await submits(journal, clock, callers)
                pruning.cancel()
                await pruning.value
                let gone = try firstJob() - before
                if gone <= 0 { document.blame("\(callers) callers, round \(round): the pruning removed nothing") }
                removed += gone
            }
            let name = "\(callers) caller\(callers > 1 ? "s" : "")"
            document.notes.append(line("\(name), without", without))
            document.notes.append(line("\(name), pruning", with) + "  \(removed) jobs removed")
        }
        try await journal.close()
    }

    private func submits(_ journal: SQLiteJournal, _ clock: GrowthClock, _ callers: Int) async throws -> [Duration] {
        try await withThrowingTaskGroup(of: [Duration].self) { group in
            let begin = ContinuousClock.now
            for _ in 0..<callers {
                group.addTask {
                    var times: [Duration] = []
                    while ContinuousClock.now - begin < Self.time {
                        let start = ContinuousClock.now
                        _ = try await journal.submit(GrowthSample.submission(clock))
                        times.append(ContinuousClock.now - start)
                    }
                    return times
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }

    /// The copies of the model, whose key is 1, finished in the order of their keys.
    private func firstJob() throws -> Int64 {
        var configuration = Configuration()
        configuration.readonly = true
        let queue = try DatabaseQueue(path: directory + "/longtake.db", configuration: configuration)
        return try queue.read { try Int64.fetchOne($0, sql: "SELECT min(key) FROM job WHERE key > 1") } ?? 0
    }

    private func line(_ name: String, _ times: [Duration]) -> String {
        func cell(_ name: String, _ part: Double) -> String {
            "\(name) \(Int(times.quantile(part) / .microseconds(1))) µs  "
        }
        return "\(name): \(times.count) submits  " + cell("p50", 0.5) + cell("p90", 0.9) + cell("p99", 0.99)
            + cell("most", 1)
    }
}
