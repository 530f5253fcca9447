import ArgumentParser
import FoundationEssentials

/// Has no options itself, since it would take those of a subcommand that have the same name.
@main
struct LongtakeBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "longtake-bench", abstract: "Measures the journal on this machine.",
        subcommands: [Pairs.self, Growth.self], defaultSubcommand: Pairs.self)
}

/// Measures the journal against what plain SQLite does with the same rows, in turn and in one run.
struct Pairs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures the journal beside plain SQLite on this machine: rates as medians, and their ratio.",
        discussion: """
            Each line compares two ways to do the same durable work, in turn (A B A B …), on fresh databases in one directory. The ratio is \
            the median of the pairs' ratios, so it holds where the machine's speed drifts.
            """)

    @Option(help: "How long each side of a pair runs.")
    var seconds = 3.0
    @Option(help: "How many pairs.")
    var rounds = 5
    @Option(help: "Where the databases are made; the file system matters. They are removed afterwards.")
    var directory = FileManager.default.temporaryDirectory.path

    func validate() throws {
        guard (0.1...60).contains(seconds), (1...50).contains(rounds) else {
            throw ValidationError("--seconds is 0.1 to 60, --rounds 1 to 50")
        }
    }

    func run() async throws {
        let submits = CommitSize()
        let pairs: [Comparison] = [
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
        print("\(rounds) pairs of \(seconds) s each, databases in \(directory), synchronous=FULL on both sides")
        for pair in pairs {
            let result = try await pair.run(rounds: rounds, seconds: seconds, directory: directory)
            print(
                "\(pair.name): \(Int(result.left)) / \(Int(result.right)) per second, "
                    + "ratio \((result.ratio * 100).rounded() / 100) (\((result.least * 100).rounded() / 100)…\((result.most * 100).rounded() / 100))"
            )
        }
    }
}
