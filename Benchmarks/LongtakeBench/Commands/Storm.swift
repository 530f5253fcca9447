import ArgumentParser
import LongtakeCore

/// `longtake-bench storm`
struct Storm: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "All clients of many running jobs resume at once: how long until each has what it missed.",
        discussion: """
            Each client resumes with a cursor that is so many events behind its job's log as chance says, the same in every run. The jobs \
            go on meanwhile. A client has caught up when it has the last event that its hello told of.
            """)

    @Option(help: "How many clients, 1 to 15000.")
    var clients = 10_000
    @Option(help: "How many jobs they are spread over, 1 to 10000.")
    var jobs = 1_000
    @Option(help: "How many events a client has missed at most, 0 to 2000; all numbers up to it are as likely.")
    var behind = 200
    @Option(help: "Events a second of each job, before the storm and in it, 0.1 to 50.")
    var rate = 4.0
    @Option(help: "In how many seconds the clients begin to connect, 0 to 60.")
    var within = 1.0
    @Option(help: "In how many seconds behind the storm the memory is read again, 0 to 600; the clients stay.")
    var rest = 20.0
    @Option(help: "How many rounds, each on a fresh database, 1 to 50.")
    var rounds = 1
    @OptionGroup var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...15_000).contains(clients), (1...10_000).contains(jobs), clients >= jobs else {
            throw ValidationError("--clients is 1 to 15000, --jobs 1 to 10000 and not above --clients")
        }
        guard (0...2_000).contains(behind), BenchSettings.rates.contains(rate), (0...60).contains(within) else {
            throw ValidationError("--behind is 0 to 2000, --rate 0.1 to 50, --within 0 to 60")
        }
        guard Double(behind) / rate < 1_000 else { throw ValidationError("--behind at --rate would take too long") }
        guard (1...50).contains(rounds), (0...600).contains(rest) else {
            throw ValidationError("--rounds is 1 to 50, --rest 0 to 600")
        }
    }

    func run() async throws {
        try output.finish(try await measure())
    }

    func measure() async throws -> ResultDocument {
        var document = ResultDocument("storm")
        document["clients"] = .measured(clients)
        document["jobs"] = .measured(jobs)
        document["behind"] = .measured(behind)
        document["rate"] = .number(rate)
        document["within"] = .number(within)
        var table = ResumeStorm.Outcome.table
        let storm = ResumeStorm(clients: clients, jobs: jobs, rate: rate, behind: behind, spread: within, rest: rest)
        for round in 1...rounds {
            let outcome = try await storm.measure(daemon, in: output.directory, seed: UInt64(round))
            outcome.report(round, &table, &document)
        }
        document.tables.append(table)
        return document
    }
}
