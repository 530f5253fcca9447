import ArgumentParser
import LongtakeCore

/// `longtake-bench journal`
struct JournalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal",
        abstract: "Measures the journal beside plain SQLite on this machine: rates as medians, and their ratio.",
        discussion: """
            Each line compares two ways to do the same durable work, in turn (A B A B …), on fresh databases in one directory. The ratio is \
            the median of the pairs' ratios, so it holds where the machine's speed drifts.
            """)

    @Option(help: "How long each side of a pair runs, 0.1 to 60.")
    var seconds = 3.0
    @Option(help: "How many pairs, 1 to 50.")
    var rounds = 5
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (0.1...60).contains(seconds), (1...50).contains(rounds) else {
            throw ValidationError("--seconds is 0.1 to 60, --rounds 1 to 50")
        }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        var table = ResultTable(["work", "left/s", "right/s", "ratio", "least…most"])
        var document = ResultDocument("journal")
        document["rounds"] = .integer(Int64(rounds))
        document["seconds"] = .number(seconds)
        ProgressLine.say("\(rounds) pairs of \(seconds) s each, databases in \(output.directory), synchronous=FULL")
        for pair in Self.pairs {
            ProgressLine.say(pair.name)
            let result = try await pair.run(rounds: rounds, seconds: seconds, directory: output.directory)
            table.add([
                pair.name, result.left.shown(0), result.right.shown(0), result.ratio.shown(2),
                "\(result.least.shown(2))…\(result.most.shown(2))",
            ])
            document.append(
                "pairs",
                [
                    "name": .string(pair.name), "left_per_second": .number(result.left),
                    "right_per_second": .number(result.right), "ratio": .number(result.ratio),
                    "ratio_least": .number(result.least), "ratio_most": .number(result.most),
                ])
        }
        document.tables.append(table)
        return document
    }

    private static var pairs: [Comparison] {
        let submits = CommitSize()
        return [
            Comparison(
                name: "durable submits, 64 at once / one at a time",
                left: { try await SubmitLoad(callers: 64).rate(in: $0, for: $1) },
                right: { try await SubmitLoad(callers: 1).rate(in: $0, for: $1) }),
            Comparison(
                name: "durable submits, 64 at once / the same rows by bare SQLite, as many a commit",
                left: { try await SubmitLoad(callers: 64, commits: submits).rate(in: $0, for: $1) },
                right: { try await BareRows { submits.average }.submits(in: $0, for: $1) }),
            Comparison(
                name: "reports of 1,000 stages / the same rows by bare SQLite, 500 a commit",
                left: { try await ReportLoad(stages: 1_000).rate(in: $0, for: $1) },
                right: { try await BareRows { 500 }.reports(of: 1_000, in: $0, for: $1) }),
            Comparison(
                name: "reports of 10,000 stages / of 1,000",
                left: { try await ReportLoad(stages: 10_000).rate(in: $0, for: $1) },
                right: { try await ReportLoad(stages: 1_000).rate(in: $0, for: $1) }),
            Comparison(
                name: "reports of 1,000 stages, 4 clients listing jobs / nobody",
                left: { try await ReportLoad(stages: 1_000, readers: 4).rate(in: $0, for: $1) },
                right: { try await ReportLoad(stages: 1_000).rate(in: $0, for: $1) }),
        ]
    }
}

/// Two ways to do the same work, measured in turn.
struct Comparison {
    /// Does work in a fresh directory for a time, and returns how many pieces a second it did.
    typealias Side = (_ directory: String, _ time: Duration) async throws -> Double

    let name: String
    let left: Side
    let right: Side

    struct Result {
        /// Medians.
        let left: Double
        let right: Double
        let ratio: Double
        let least: Double
        let most: Double
    }

    func run(rounds: Int, seconds: Double, directory: String) async throws -> Result {
        var pairs = Rounds()
        for _ in 0..<rounds {
            pairs.add(
                ours: try await measure(left, seconds, directory), theirs: try await measure(right, seconds, directory))
        }
        return Result(
            left: pairs.ours.median, right: pairs.theirs.median, ratio: pairs.ratio, least: pairs.ratios.first ?? .nan,
            most: pairs.ratios.last ?? .nan)
    }

    private func measure(_ side: Side, _ seconds: Double, _ parent: String) async throws -> Double {
        let scratch = try ScratchDirectory(in: parent)
        defer { scratch.remove() }
        return try await side(scratch.path, .seconds(seconds))
    }
}
