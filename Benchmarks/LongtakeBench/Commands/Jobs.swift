import ArgumentParser
import LongtakeCore

/// `longtake-bench jobs`
struct Jobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Many running jobs with a watcher each: whether all events come, in order, and what that takes.")

    @Option(help: "How many jobs run, 1 to 10000.")
    var jobs = 10_000
    @Option(help: "Events a second of each, 0.1 to 50; above 4 the daemon has to know reports.interval_milliseconds.")
    var rate = 1.0
    @Option(help: "How long the window is, 1 to 600.")
    var seconds = 60.0
    @Option(help: "How many rounds, each on a fresh database, 1 to 50.")
    var rounds = 1
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...10_000).contains(jobs), BenchSettings.rates.contains(rate) else {
            throw ValidationError("--jobs is 1 to 10000, --rate 0.1 to 50")
        }
        guard (1...600).contains(seconds), (1...50).contains(rounds) else {
            throw ValidationError("--seconds is 1 to 600, --rounds 1 to 50")
        }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        let load = JobLoad(jobs: jobs, rate: rate, watchers: jobs, seconds: seconds)
        return try await load.measure("jobs", rounds: rounds, daemon, in: output.directory)
    }
}
