import ArgumentParser
import Glibc

/// The load driver: puts load on a daemon and measures how it performs.
@main
struct LongtakeBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "longtake-bench",
        abstract: "The load driver: starts a daemon, puts load on it, and measures its responses and streams.",
        discussion: """
            The results are those of this machine and this build. Build the daemon and the driver for release. Two sides of a comparison \
            take turns (A B A B …), so the ratio stays valid if the speed of the machine drifts.
            """,
        subcommands: [
            Smoke.self, Fanout.self, Latency.self, Jobs.self, Storm.self, Idle.self, Submit.self, JournalCommand.self,
            Growth.self, Files.self, CommandStages.self,
            ConfigurationCommand.self, BareSenderCommand.self,
        ])

    /// Runs a subcommand. However it ends, it leaves no child process and no file behind.
    static func main() async {
        Cleanup.runOnSignals()
        DescriptorLimit.raise()
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            Cleanup.run()
        } catch {
            Cleanup.run()
            exit(withError: error)
        }
    }
}

/// Why a measurement failed.
struct BenchFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Progress messages. They go to standard error, so that standard output contains only results.
enum ProgressMessage {
    static func write(_ text: String) {
        let line = "… \(text)\n"
        _ = line.withCString { Glibc.write(STDERR_FILENO, $0, strlen($0)) }
    }
}
