import ArgumentParser

/// `longtake-bench smoke`
struct Smoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs each benchmark for a few seconds with small numbers, to test that all of them work. For CI.",
        discussion: """
            The exit status is 1 if an event is lost, duplicated or out of order, if a stream is disconnected, if an accepted job is missing, \
            or if a server exits. It never depends on a time, because the times of so short a run mean nothing.
            """)

    @OptionGroup var daemon: DaemonOptions
    @Option(help: "The directory for the databases. They are removed afterwards.")
    var directory: String?

    func run() async throws {
        var measurements: [() async throws -> ResultDocument] = [
            { try await Fanout.parse(arguments("--watchers 40 --seconds 2 --rounds 1 --peer nio")).measure() },
            { try await Latency.parse(arguments("--jobs 5 --watchers 20 --seconds 2")).measure() },
            { try await Jobs.parse(arguments("--jobs 50 --rate 2 --seconds 3")).measure() },
            { try await Storm.parse(arguments("--clients 100 --jobs 10 --behind 8 --rest 1")).measure() },
            { try await Idle.parse(arguments("--streams 100 --seconds 2")).measure() },
            {
                try await Submit.parse(
                    arguments("--connections 8 --against 1 --seconds 0.5 --rounds 1 --beside-sqlite")
                ).measure()
            },
            { try await Files.parse(arguments("--megabytes 4 --rounds 1 --slow 20 --seconds 1")).measure() },
            { try await Growth.parse(arguments("--jobs 1000 --rounds 1 --calls 10", hasDaemon: false)).measure() },
        ]
        // A daemon that the user has started does not have the programs.
        if daemon.url == nil {
            measurements.append {
                try await CommandStages.parse(
                    arguments("--starts 3 --programs 1 --rate 20 --jobs 2 --watchers 4 --seconds 1 --rounds 1")
                ).measure()
            }
        }
        var faults = 0
        for measure in measurements {
            let document = try await measure()
            print("== \(document.name)\n\(document.text)\n")
            faults += document.faults.count
        }
        guard faults == 0 else { throw ExitCode(1) }
    }

    /// The arguments of one benchmark, with the options that the user passed to `smoke`.
    private func arguments(_ text: String, hasDaemon: Bool = true) -> [String] {
        var arguments = text.split(separator: " ").map(String.init)
        if hasDaemon, let longtake = daemon.longtake { arguments += ["--longtake", longtake] }
        if hasDaemon, let url = daemon.url { arguments += ["--url", url] }
        if let directory { arguments += ["--directory", directory] }
        return arguments
    }
}
