import ArgumentParser
import LongtakeCore
import LongtakeFiles
import LongtakeSQLite

/// `longtake restore`
struct Restore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Restores a backup into a data directory that no daemon uses.",
        discussion: """
            The backup is verified first, as by `longtake check --data`. If it contains errors, nothing is changed. Jobs that were running
            when the backup was made continue at the next start. Clients whose cursors are newer than the backup get stream.reset.

            If the backup has a directory of files beside it (backup-….files), its files are copied into the data directory. Without it
            the files that are still in the data directory are used, and the others are missing: clients get 404 artifact-gone.

            Examples:
              longtake restore backup-20261121T114502123Z.db --data /var/lib/longtake
              longtake restore backup-20261121T114502123Z.db --data /var/lib/longtake --replace

            Run it as the user of the daemon or as root. As root, the files get the owner of the directory. Exit status: 0 if the backup
            was restored, 1 if not.
            """)

    @Argument(help: ArgumentHelp("The file that POST /v1/backups made.", valueName: "backup"))
    var backup: String
    @Option(name: .long, help: ArgumentHelp("The directory of the database.", valueName: "directory"))
    var data: String
    @Flag(name: .long, help: "Move an existing database aside first.")
    var replace = false

    /// The files of the backup, if it has a directory of them.
    private var content: DirectoryContentRestore {
        DirectoryContentRestore(backup: Backup.filesPath(of: backup), data: data)
    }

    private static func text(_ content: ContentBackupResult) -> String {
        guard content.files + content.missing > 0 else { return "" }
        let missing = content.missing > 0 ? " \(content.missing) files are missing." : ""
        return "\(content.files) files with \(content.bytes) bytes are in place.\(missing)\n"
    }

    func run() async throws {
        let progress = ProgressLine("verifying the backup")
        do {
            let outcome = try StorageRestore(into: data, clock: SystemClock())
                .run(backup, replaces: replace, inspector: StorageInspector(progress: progress.show), content: content)
            progress.clear()
            let moved = outcome.replaced.map { "The previous database was moved to \($0).\n" } ?? ""
            StandardStreams.write(
                "Restored \(outcome.inspection.jobs) jobs with \(outcome.inspection.events) events into \(data).\n\(Self.text(outcome.content))\(moved)",
                to: .output)
        } catch {
            progress.clear()
            StandardStreams.write("longtake: \(error)\n", to: .error)
            throw ExitCode(1)
        }
    }
}
