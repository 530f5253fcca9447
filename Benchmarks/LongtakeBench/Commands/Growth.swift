import ArgumentParser
import FoundationEssentials
import Glibc

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
