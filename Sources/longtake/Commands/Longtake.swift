import ArgumentParser

/// The command line.
@main
struct Longtake: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "longtake",
        abstract: "Runs work that takes minutes, and lets anybody watch it, leave, and resume exactly where they were.",
        discussion: """
            Examples:
              longtake serve                                 with the built-in defaults, on http://127.0.0.1:8080
              longtake serve --config config/longtake.yaml
              longtake serve --port 9000 --data /var/lib/longtake --speed 20
              longtake check --config config/longtake.yaml   looks for mistakes, prints what is in force
              longtake check --data /var/lib/longtake        looks through the database of a daemon that is stopped
              longtake keys create --tenant acme             makes an API key
              longtake restore BACKUP --data /var/lib/longtake

            Exit status: 0 after an orderly stop, 1 when the daemon failed or a database has a mistake, 2 for a mistake in the command
            line, 78 for one in the settings, 130 or 143 after a second SIGINT or SIGTERM.
            """,
        version: DaemonVersion.text,
        subcommands: [Serve.self, Check.self, Keys.self, Restore.self])

    /// The status of a mistake in the command line; the parser's own would be 64.
    private static let usageStatus: Int32 = 2

    /// Runs the command that was asked for, and ends with the documented exit status.
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

/// The version that this source is.
enum DaemonVersion {
    static let text = "0.1.0"
}
