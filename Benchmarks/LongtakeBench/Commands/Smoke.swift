import ArgumentParser

/// `longtake-bench smoke`
struct Smoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "A few seconds of each measurement with small numbers: whether all of it works. For CI.",
        discussion: """
            Fails with status 1 where something is wrong: an event is lost, comes twice or out of order, a stream is cut, an accepted job is \
            missing, a server dies. No time is ever a reason: the numbers of so short a run mean nothing.
            """)

    @OptionGroup var daemon: DaemonOptions
    @Option(help: "Where the databases are made; they are removed afterwards.")
    var directory: String?

    func run() async throws {
        let measurements: [() async throws -> ResultDocument] = [
            { try await Fanout.parse(words("--watchers 40 --seconds 2 --rounds 1 --peer nio")).measure() },
            { try await Latency.parse(words("--jobs 5 --watchers 20 --seconds 2")).measure() },
            { try await Jobs.parse(words("--jobs 50 --rate 2 --seconds 3")).measure() },
            { try await Storm.parse(words("--clients 100 --jobs 10 --behind 8 --rest 1")).measure() },
            { try await Idle.parse(words("--streams 100 --seconds 2")).measure() },
            {
                try await Submit.parse(words("--connections 8 --against 1 --seconds 0.5 --rounds 1 --beside-sqlite"))
                    .measure()
            },
            { try await Growth.parse(words("--jobs 1000 --rounds 1 --calls 10", hasDaemon: false)).measure() },
        ]
        var faults = 0
        for measure in measurements {
            let document = try await measure()
            print("== \(document.name)\n\(document.text)\n")
            faults += document.faults.count
        }
        guard faults == 0 else { throw ExitCode(1) }
    }

    /// The arguments of one measurement, with those that all share.
    private func words(_ text: String, hasDaemon: Bool = true) -> [String] {
        var words = text.split(separator: " ").map(String.init)
        if hasDaemon, let longtake = daemon.longtake { words += ["--longtake", longtake] }
        if hasDaemon, let url = daemon.url { words += ["--url", url] }
        if let directory { words += ["--directory", directory] }
        return words
    }
}
