import ArgumentParser
import LongtakeCore

/// `longtake-bench journal`
struct JournalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal",
        abstract: "Compares the journal with plain SQLite on this machine: the medians of the rates, and their ratio.",
        discussion: """
            Each line compares two ways to do the same durable work. They take turns (A B A B …), on new databases in one directory. The \
            ratio is the median of the pairs' ratios, so it stays valid if the speed of the machine drifts.
            """)

    @Option(help: "How long each side of a pair runs, 0.1 to 60 seconds.")
    var seconds = 3.0
    @Option(help: "The number of pairs, 1 to 50.")
    var rounds = 5
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (0.1...60).contains(seconds), (1...50).contains(rounds) else {
            throw ValidationError("--seconds must be 0.1 to 60, --rounds 1 to 50")
        }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        var table = ResultTable(["work", "left/s", "right/s", "ratio", "min…max"])
        var document = ResultDocument("journal")
        document["rounds"] = .integer(Int64(rounds))
        document["seconds"] = .number(seconds)
        ProgressMessage.write(
            "\(rounds) pairs of \(seconds) s each, databases in \(output.directory), synchronous=FULL")
        for comparison in Self.comparisons {
            ProgressMessage.write(comparison.name)
            let pairs = try await comparison.run(rounds: rounds, seconds: seconds, directory: output.directory)
            let (minimum, maximum) = (pairs.ratios.first ?? .nan, pairs.ratios.last ?? .nan)
            table.add([
                comparison.name, pairs.left.median.fixed(0), pairs.right.median.fixed(0), pairs.ratio.fixed(2),
                "\(minimum.fixed(2))…\(maximum.fixed(2))",
            ])
            document.append(
                "pairs",
                [
                    "name": .string(comparison.name), "left_per_second": .number(pairs.left.median),
                    "right_per_second": .number(pairs.right.median), "ratio": .number(pairs.ratio),
                    "ratio_least": .number(minimum), "ratio_most": .number(maximum),
                ])
        }
        document.tables.append(table)
        return document
    }

    private static var comparisons: [RateComparison] {
        let commits = CommitSize()
        return [
            RateComparison(
                name: "durable submits, 64 at once / one at a time",
                left: { try await JournalSubmissionLoad(callers: 64).rate(in: $0, for: $1) },
                right: { try await JournalSubmissionLoad(callers: 1).rate(in: $0, for: $1) }),
            RateComparison(
                name: "durable submits, 64 at once / the same rows by plain SQLite, as many in each commit",
                left: { try await JournalSubmissionLoad(callers: 64, commits: commits).rate(in: $0, for: $1) },
                right: { try await PlainSQLite { commits.average }.submissionRate(in: $0, for: $1) }),
            RateComparison(
                name: "reports of 1,000 stages / the same rows by plain SQLite, 500 in each commit",
                left: { try await JournalReportLoad(stages: 1_000).rate(in: $0, for: $1) },
                right: { try await PlainSQLite { 500 }.reportRate(of: 1_000, in: $0, for: $1) }),
            RateComparison(
                name: "reports of 10,000 stages / of 1,000",
                left: { try await JournalReportLoad(stages: 10_000).rate(in: $0, for: $1) },
                right: { try await JournalReportLoad(stages: 1_000).rate(in: $0, for: $1) }),
            RateComparison(
                name: "reports of 1,000 stages, with 4 clients that list jobs / without",
                left: { try await JournalReportLoad(stages: 1_000, listers: 4).rate(in: $0, for: $1) },
                right: { try await JournalReportLoad(stages: 1_000).rate(in: $0, for: $1) }),
        ]
    }
}

/// Two ways to do the same work, which take turns.
private struct RateComparison {
    /// Does work in an empty directory for a time.
    /// - Returns: operations per second.
    typealias Side = (_ directory: String, _ time: Duration) async throws -> Double

    let name: String
    let left: Side
    let right: Side

    func run(rounds: Int, seconds: Double, directory: String) async throws -> PairedRounds {
        var pairs = PairedRounds()
        for _ in 0..<rounds {
            pairs.add(try await measure(left, seconds, directory), try await measure(right, seconds, directory))
        }
        return pairs
    }

    private func measure(_ side: Side, _ seconds: Double, _ parent: String) async throws -> Double {
        let scratch = try ScratchDirectory(in: parent)
        defer { scratch.remove() }
        return try await side(scratch.path, .seconds(seconds))
    }
}
