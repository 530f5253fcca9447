import ArgumentParser
import Glibc

/// Drives a daemon with load, and says what it did with it.
@main
struct LongtakeBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "longtake-bench",
        abstract: "The load driver: starts a daemon of its own, loads it over HTTP, and measures what comes back.",
        discussion: """
            Every measurement is of this machine and of the build that is measured: build both for release. What is compared is measured in \
            turn (A B A B …), so a ratio holds where the machine's speed drifts.
            """,
        subcommands: [
            Smoke.self, Fanout.self, Latency.self, Jobs.self, Storm.self, Idle.self, Submit.self, JournalCommand.self,
            Growth.self,
            ConfigurationCommand.self, BareSenderCommand.self,
        ])

    /// Runs a subcommand, and leaves neither process nor file behind, however it ends.
    static func main() async {
        Leftovers.clearOnSignals()
        DescriptorRoom.raise()
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            Leftovers.clear()
        } catch {
            Leftovers.clear()
            exit(withError: error)
        }
    }
}

/// A time after which nothing is waited for any more.
struct Deadline: Sendable {
    private let end: ContinuousClock.Instant

    init(_ seconds: Double) { end = .now + .seconds(seconds) }

    var isOver: Bool { .now >= end }
}

/// Why a measurement could not be made, or what it found broken.
struct BenchFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// What goes on at the moment, on standard error, so that standard output has results only.
enum ProgressLine {
    static func say(_ text: String) {
        let line = "… \(text)\n"
        _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    }
}
