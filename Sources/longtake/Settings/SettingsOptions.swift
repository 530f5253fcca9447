import ArgumentParser

/// The flags that `serve` and `check` share.
struct SettingsOptions: ParsableArguments {
    @Option(name: .long, help: ArgumentHelp("Read settings from this file.", valueName: "file"))
    var config: String?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Listen on this host name or address, without brackets or a port; repeat it for several.", valueName: "host"
        ))
    var host: [String] = []
    @Option(
        name: .long,
        help: ArgumentHelp("Listen on this port of each host; 0 for one that is free on all.", valueName: "port"))
    var port: Int?
    @Option(name: .long, help: ArgumentHelp("Listen on a Unix socket at this path as well.", valueName: "path"))
    var unixSocket: String?
    @Flag(name: .long, help: "Let a daemon without keys (auth.mode: none) listen beyond loopback.")
    var allowAnonymous = false
    @Option(name: .long, help: ArgumentHelp("The directory of the database.", valueName: "directory"))
    var data: String?
    @Option(name: .long, help: ArgumentHelp("Run simulated work this many times as fast.", valueName: "factor"))
    var speed: Double?
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Log from this level on: trace, debug, info, notice, warning, error, critical.", valueName: "level"))
    var logLevel: String?

    /// The settings in force.
    /// - Throws: `ExitCode` 78 after it has said what is wrong.
    func load() throws -> LoadedSettings {
        do {
            return try LoadedSettings.load(flags: self, environment: ProcessEnvironment.all)
        } catch {
            StandardStreams.write("longtake: \(error)\n", to: .error)
            throw ExitCode(SettingsMistake.exitStatus)
        }
    }
}
