import ArgumentParser
import LongtakeCore
import LongtakeSQLite

/// `longtake check`
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks the settings and the pipelines, or, with --data, a database.",
        discussion: """
            Without --data it prints the settings that are in force and the pipelines.

            With --data it looks through the database in that directory while no daemon has it: whether SQLite finds it whole, whether this
            version can open it, and whether every job agrees with its log. It changes nothing, and takes
            less than a minute for a gigabyte.

            Examples:
              longtake check --config /etc/longtake/longtake.yaml
              longtake check --data /var/lib/longtake
              longtake check --data /var/lib/longtake --json | jq .violations

            Exit status: 0 where there is no mistake, 1 where the database has one or cannot be looked at, 78 for one in the settings.
            """)

    @OptionGroup var options: SettingsOptions
    @Flag(name: .long, help: "With --data: print what was found as JSON.")
    var json = false

    func validate() throws {
        if json, options.data == nil { throw ValidationError("--json goes with --data.") }
    }

    func run() async throws {
        let loaded = try options.load()
        guard options.data != nil else {
            return StandardStreams.write(try loaded.described(), to: .output)
        }
        let meter = ProgressLine("looking through the database")
        let inspection: StorageInspection
        do {
            inspection = try StorageInspector(progress: meter.show).inspect(directory: loaded.settings.storage.path)
        } catch {
            meter.clear()
            StandardStreams.write("longtake: \(error)\n", to: .error)
            throw ExitCode(1)
        }
        meter.clear()
        let text = json ? try JSONText.encode(inspection) + "\n" : InspectionReport(inspection).text
        StandardStreams.write(text, to: .output)
        if !inspection.isSound { throw ExitCode(1) }
    }
}
