import ArgumentParser

/// The command line.
struct Longtake: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "longtake",
        abstract: "Runs jobs that take minutes. Clients submit jobs, watch them live, and resume after a disconnect.",
        discussion: """
            Examples:
              longtake serve                                 with the default settings, on http://127.0.0.1:8080
              longtake serve --config config/longtake.yaml
              longtake serve --port 9000 --data /var/lib/longtake --speed 20
              longtake check --config config/longtake.yaml   checks the settings and prints them
              longtake check --data /var/lib/longtake        verifies the database while the daemon is stopped
              longtake run-stage demo-video title --input '{"prompt": "hello"}'
              longtake keys create --tenant acme             creates an API key
              longtake restore BACKUP --data /var/lib/longtake

            Exit status: 0 after a graceful shutdown, 1 if the daemon fails or a database contains errors, 2 for an error in the command
            line, 78 for an error in the settings, 130 or 143 after a second SIGINT or SIGTERM.
            """,
        version: DaemonVersion.text,
        subcommands: [Serve.self, Check.self, RunStage.self, Keys.self, Restore.self, Supervise.self])

    /// The exit status for an error in the command line. The parser would use 64.
    private static let usageStatus: Int32 = 2

    /// Runs the requested command and exits with the documented status.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            StandardStreams.write(fullMessage(for: error) + "\n", to: .error)
            exit(withError: ExitCode(usageStatus))
        }
    }
}

/// The version of this source code.
enum DaemonVersion {
    static let text = "0.1.0"
}
