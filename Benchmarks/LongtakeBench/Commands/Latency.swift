import ArgumentParser
import LongtakeCore

/// `longtake-bench latency`
struct Latency: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Some jobs, watchers spread over them: how late events come.",
        discussion: """
            A time counts from the `at` of the event, which the daemon sets before the event is durable and cuts to milliseconds, until the \
            driver has read its bytes.
            """)

    @Option(help: "How many jobs run, 1 to 10000.")
    var jobs = 100
    @Option(help: "Events a second of each, 0.1 to 50; above 4 the daemon has to know reports.interval_milliseconds.")
    var rate = 4.0
    @Option(help: "How many watch in all, 1 to 15000.")
    var watchers = 2_000
    @Option(help: "How long the window is, 1 to 600.")
    var seconds = 10.0
    @Option(help: "How many rounds, each on a fresh database, 1 to 50.")
    var rounds = 1
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...10_000).contains(jobs), BenchSettings.rates.contains(rate), (1...15_000).contains(watchers) else {
            throw ValidationError("--jobs is 1 to 10000, --rate 0.1 to 50, --watchers 1 to 15000")
        }
        guard watchers >= jobs else { throw ValidationError("--watchers is at least --jobs: every job is watched") }
        guard (1...600).contains(seconds), (1...50).contains(rounds) else {
            throw ValidationError("--seconds is 1 to 600, --rounds 1 to 50")
        }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        let load = JobLoad(jobs: jobs, rate: rate, watchers: watchers, seconds: seconds)
        return try await load.measure("latency", rounds: rounds, daemon, in: output.directory)
    }
}
