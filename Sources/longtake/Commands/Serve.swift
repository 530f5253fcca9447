import ArgumentParser

/// `longtake serve`
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs the daemon until it is told to stop (SIGTERM, SIGINT).",
        discussion: """
            Every setting has a default. A file overrides the defaults, a variable such as LONGTAKE_HTTP_PORT overrides the file, and a
            flag overrides both. config/longtake.yaml documents every key.
            """)

    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let loaded = try options.load()
        try await Daemon(loaded).run()
    }
}
