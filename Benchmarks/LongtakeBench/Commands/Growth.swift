import ArgumentParser
import FoundationEssentials
import GRDB
import Logging
import LongtakeCore
import LongtakeSQLite

/// `longtake-bench growth`: compares a database of millions of events with a small one, or measures
/// submissions while the pruner runs.
struct Growth: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compares a database of millions of events with a small one: the time of each call, and the ratio.",
        discussion: """
            Fills a database with finished jobs. Then one caller makes single calls on it and on a database of \(Self.smallJobs) jobs, in \
            turn (A B A B …). The ratio is the median of the rounds' ratios. It needs about 5 KB of disk for each job, and some minutes.
            """)

    @Option(help: "The number of finished jobs in the large database.")
    var jobs = 1_000_000
    @Option(help: "The number of events of each of these jobs, 8 to 1000.")
    var eventsPerJob = 10
    @Option(help: "How often the two databases take turns.")
    var rounds = 5
    @Option(help: "The number of calls of each kind in a round. The result of a round is their median.")
    var calls = 200
    @Option(help: "The directory for the databases. Its file system affects the results. They are removed afterwards.")
    var directory = FileManager.default.temporaryDirectory.path
    @Option(help: ArgumentHelp("Keep the large database in this directory, and use it again.", valueName: "directory"))
    var keep: String?
    @Option(help: "With --pruning: the number of rows that one transaction deletes.")
    var rows = 1_000
    @Flag(help: "Measure submissions while the large database is pruned instead. This removes a part of the database.")
    var pruning = false

    /// Enough for a full page of each list, and few enough to fit into every cache.
    static let smallJobs = 400

    func validate() throws {
        guard jobs >= 1_000, (8...1_000).contains(eventsPerJob), (1...50).contains(rounds),
            (10...10_000).contains(calls)
        else {
            throw ValidationError(
                "--jobs must be at least 1000, --events-per-job 8 to 1000, --rounds 1 to 50, --calls 10 to 10000")
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
        // Says that the large database is complete, and how many jobs it has.
        let marker = large + "/seeded"
        defer { scratch.remove() }
        try await fill(scratch.path + "/small", Self.smallJobs)
        if !FileManager.default.fileExists(atPath: marker) {
            guard !FileManager.default.fileExists(atPath: large + "/longtake.db") else {
                throw ValidationError(
                    "The database in \(large) is incomplete or was pruned. Remove it, or choose another directory.")
            }
            try await fill(large, jobs)
            try Data("\(jobs)".utf8).write(to: URL(filePath: marker))
        }
        let largeJobs = Int(try String(contentsOf: URL(filePath: marker), encoding: .utf8)) ?? jobs
        if pruning {
            // A pruned database has fewer jobs than the marker says.
            try FileManager.default.removeItem(atPath: marker)
            try await PruningComparison(directory: large, rounds: rounds, rows: rows).run(&document)
            return document
        }
        let comparison = GrowthComparison(
            large: try await TimedJournal(directory: large, jobs: largeJobs),
            small: try await TimedJournal(directory: scratch.path + "/small", jobs: Self.smallJobs), rounds: rounds,
            calls: calls)
        document.notes.append(
            "\(largeJobs) finished jobs in \(large) compared with \(Self.smallJobs), medians of \(rounds) rounds of \(calls) calls"
        )
        document.notes += try await comparison.run()
        return document
    }

    private func fill(_ directory: String, _ jobs: Int) async throws {
        let begin = ContinuousClock.now
        try await GrowthDatabase(directory: directory, jobs: jobs, eventsPerJob: eventsPerJob).fill { done in
            let seconds = Int((ContinuousClock.now - begin) / .seconds(1))
            ProgressMessage.write("\(done) of \(jobs) jobs after \(seconds) s")
        }
    }
}

/// Makes each call on the large and on the small database in turn, so that other load on the
/// machine affects both.
private struct GrowthComparison {
    let large: TimedJournal
    let small: TimedJournal
    let rounds: Int
    let calls: Int

    /// - Returns: the lines of the table.
    func run() async throws -> [String] {
        var lines = ["call                        large        small    ratio"]
        for (name, call) in TimedJournal.calls {
            // Warms up both databases. The first calls are slower and are not measured.
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
        var pairs = PairedRounds()
        for _ in 0..<rounds {
            let (large, small) = try await round()
            pairs.add(large / .microseconds(1), small / .microseconds(1))
        }
        func cell(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        return name + cell("\(pairs.left.median.fixed(0)) µs", 33 - name.count)
            + cell("\(pairs.right.median.fixed(0)) µs", 13) + cell(pairs.ratio.fixed(2), 9)
    }
}

/// Measures submissions while the pruner prunes the large database, and without it.
private struct PruningComparison {
    let directory: String
    let rounds: Int
    let rows: Int

    private static let windowLength: Duration = .seconds(4)

    func run(_ document: inout ResultDocument) async throws {
        let clock = BenchClock()
        let journal = try await SQLiteJournal.openForBenchmark(directory, clock: clock)
        document.notes.append(
            "submits while pruning \(rows) rows in each transaction, and without, \(rounds) rounds of \(Self.windowLength) each"
        )
        for callers in [1, 64] {
            var (without, with): ([Duration], [Duration]) = ([], [])
            var removed: Int64 = 0
            for round in 1...rounds {
                without += try await submit(journal, clock, callers)
                let pruner = Pruner(
                    journal: journal, retention: Retention(age: .seconds(5 * 86_400), maxBytes: nil),
                    clock: ContinuousClock(), wallClock: clock, rows: rows,
                    logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() })
                let before = try oldestJob()
                with += try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { await pruner.run() }
                    let times = try await submit(journal, clock, callers)
                    group.cancelAll()
                    try await group.waitForAll()
                    return times
                }
                let removedNow = try oldestJob() - before
                if removedNow <= 0 {
                    document.addFault("\(callers) callers, round \(round): the pruner removed nothing")
                }
                removed += removedNow
            }
            let name = "\(callers) caller\(callers > 1 ? "s" : "")"
            document.notes.append(line("\(name), without", without))
            document.notes.append(line("\(name), pruning", with) + "  \(removed) jobs removed")
        }
        try await journal.close()
    }

    /// Submits jobs for the length of a window.
    /// - Returns: the time of each submission.
    private func submit(_ journal: SQLiteJournal, _ clock: BenchClock, _ callers: Int) async throws -> [Duration] {
        try await withThrowingTaskGroup(of: [Duration].self) { group in
            let begin = ContinuousClock.now
            for _ in 0..<callers {
                group.addTask {
                    var times: [Duration] = []
                    while ContinuousClock.now - begin < Self.windowLength {
                        let start = ContinuousClock.now
                        _ = try await journal.submit(GrowthJob.submission(clock))
                        times.append(ContinuousClock.now - start)
                    }
                    return times
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }

    /// The key of the oldest copy that is left. The copies have finished in the order of their
    /// keys. The job with the key 1 is the original.
    private func oldestJob() throws -> Int64 {
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
            + cell("max", 1)
    }
}

extension [Duration] {
    fileprivate var median: Duration { .microseconds(map { $0 / .microseconds(1) }.median) }

    /// - Parameter part: 0.99 for the 99th percentile.
    fileprivate func quantile(_ part: Double) -> Duration {
        sorted()[Swift.min(count - 1, Int(Double(count) * part))]
    }
}
