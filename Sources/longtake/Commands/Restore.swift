import ArgumentParser
import LongtakeSQLite

/// `longtake restore`
struct Restore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Puts a backup into a data directory that no daemon uses.",
        discussion: """
            The backup is looked through first, as `longtake check --data` does, and nothing is touched where it has a mistake. Jobs that
            ran when it was made go on at the next start. Clients that come back with a cursor from before are told to begin anew.

            Examples:
              longtake restore backup-20261121T114502123Z.db --data /var/lib/longtake
              longtake restore backup-20261121T114502123Z.db --data /var/lib/longtake --replace

            Run it as the user of the daemon, or as root: then the files are given to the owner of the directory. Exit status: 0 when it
            is done, 1 when it is not.
            """)

    @Argument(help: ArgumentHelp("The file that POST /v1/backups made.", valueName: "backup"))
    var backup: String
    @Option(name: .long, help: ArgumentHelp("The directory of the database.", valueName: "directory"))
    var data: String
    @Flag(name: .long, help: "Move a database that is there aside first.")
    var replace = false

    func run() async throws {
        let meter = ProgressLine("looking through the backup")
        do {
            let outcome = try StorageRestore(into: data, clock: SystemClock())
                .run(backup, replaces: replace, inspector: StorageInspector(progress: meter.show))
            meter.clear()
            let moved = outcome.replaced.map { "The database that was there is now in \($0).\n" } ?? ""
            StandardStreams.write(
                "Restored \(outcome.inspection.jobs) jobs with \(outcome.inspection.events) events into \(data).\n\(moved)",
                to: .output)
        } catch {
            meter.clear()
            StandardStreams.write("longtake: \(error)\n", to: .error)
            throw ExitCode(1)
        }
    }
}
