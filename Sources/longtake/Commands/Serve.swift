import ArgumentParser

/// `longtake serve`
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the daemon until it receives SIGTERM or SIGINT.",
        discussion: """
            Every setting has a default. The settings file overrides the defaults. Environment variables such as LONGTAKE_HTTP_PORT
            override the file, and flags override both. config/longtake.yaml documents every setting.
            """)

    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let loaded = try options.load(checksCommands: true)
        try await Daemon(loaded).run()
    }
}

/// The flags of `serve` and `check`.
struct SettingsOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("Read the settings from this file.", valueName: "file"))
    var config: String?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Listen on this host name or address, without brackets and port. Repeat it for several.", valueName: "host"
        ))
    var host: [String] = []
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Listen on this port of each host. 0 chooses a port that is free on all hosts.", valueName: "port"))
    var port: Int?
    @Option(name: .long, help: ArgumentHelp("Also listen on a Unix socket at this path.", valueName: "path"))
    var unixSocket: String?
    @Flag(
        name: .long,
        help: "Allow a daemon without API keys (auth.mode: none) to listen on addresses beyond loopback.")
    var allowAnonymous = false
    @Option(name: .long, help: ArgumentHelp("The directory of the database.", valueName: "directory"))
    var data: String?
    @Option(name: .long, help: ArgumentHelp("Run simulated work this many times faster.", valueName: "factor"))
    var speed: Double?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The minimum level of log lines: trace, debug, info, notice, warning, error, critical.", valueName: "level"
        ))
    var logLevel: String?

    /// Loads the settings in force.
    /// - Parameter checksCommands: whether the paths of commands must keep the data directory out
    ///   of their reach.
    /// - Throws: `ExitCode` 78, after the error is printed.
    func load(checksCommands: Bool = false) throws -> LoadedSettings {
        do {
            let loaded = try LoadedSettings.load(flags: self, environment: OwnProcess.environment)
            if checksCommands { try loaded.checkCommandPaths() }
            return loaded
        } catch {
            StandardStreams.write("longtake: \(error)\n", to: .error)
            throw ExitCode(SettingsError.exitStatus)
        }
    }
}
