import ArgumentParser
import LongtakeCore
import LongtakeFiles
import LongtakeSQLite

/// `longtake check`
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks the settings and pipelines or, with --data, verifies a database.",
        discussion: """
            Without --data it prints the settings in force and the pipelines.

            With --data it verifies the database in that directory. No daemon may use the database meanwhile. It checks that SQLite finds
            no corruption, that this version can open the database, and that every job matches its event log. It changes nothing. A
            gigabyte takes less than a minute. It also compares the stored files with the rows that refer to them: each file must exist and
            have its size. With --deep it reads all files and compares their hashes.

            Examples:
              longtake check --config /etc/longtake/longtake.yaml
              longtake check --data /var/lib/longtake
              longtake check --data /var/lib/longtake --deep
              longtake check --data /var/lib/longtake --json | jq .violations

            Exit status: 0 if there are no errors, 1 if the database contains errors or cannot be read, 78 for an error in the settings.
            """)

    @OptionGroup var options: SettingsOptions
    @Flag(name: .long, help: "With --data: print the result as JSON.")
    var json = false
    @Flag(name: .long, help: "With --data: read all files and compare their hashes.")
    var deep = false

    func validate() throws {
        if json, options.data == nil { throw ValidationError("--json requires --data.") }
        if deep, options.data == nil { throw ValidationError("--deep requires --data.") }
    }

    func run() async throws {
        let loaded = try options.load(checksCommands: options.data == nil)
        guard options.data != nil else {
            return StandardStreams.write(try loaded.described(), to: .output)
        }
        let progress = ProgressLine("verifying the database")
        let hashing = ProgressLine("hashing files")
        let result: CheckResult
        do {
            let data = loaded.settings.storage.path
            let files = ContentInspector(directory: data + "/files", isDeep: deep, progress: hashing.show)
            var content: ContentInspection?
            let database = try StorageInspector(progress: progress.show).inspect(directory: data) { rows in
                progress.clear()
                content = try files.inspect(rows)
            }
            result = CheckResult(database: database, content: content)
        } catch {
            progress.clear()
            hashing.clear()
            StandardStreams.write("longtake: \(error)\n", to: .error)
            throw ExitCode(1)
        }
        progress.clear()
        hashing.clear()
        let text = json ? try JSONText.encode(result) + "\n" : result.text
        StandardStreams.write(text, to: .output)
        if !result.isSound { throw ExitCode(1) }
    }
}

/// Formats the result of an inspection as text.
struct InspectionReport {
    private let inspection: StorageInspection

    init(_ inspection: StorageInspection) { self.inspection = inspection }

    /// The maximum number of violations of one invariant in the text. `--json` prints more.
    private static let shown = 10

    var text: String {
        var lines = facts
        if inspection.schemaAge != .newer { lines += [""] + Invariant.allCases.map(verdict) }
        for invariant in Invariant.allCases where count(of: invariant) > 0 { lines += [""] + violations(of: invariant) }
        lines += ["", conclusion]
        return lines.joined(separator: "\n") + "\n"
    }

    private var facts: [String] {
        let wal = inspection.walBytes > 0 ? ", and a WAL of \(inspection.walBytes) bytes" : ""
        return [
            row("database", "\(inspection.path), \(inspection.bytes) bytes\(wal)"),
            row("SQLite", inspection.sqliteVersion),
            row("application", "Longtake (\(inspection.applicationID))"),
            row("schema", "\(inspection.schema.joined(separator: ", ")) (\(age))"),
            row("epoch, boots", "\(inspection.epoch), \(inspection.boots)"),
            row("jobs, events", "\(inspection.jobs), \(inspection.events)"),
        ] + setAside
    }

    private var setAside: [String] {
        guard !inspection.setAside.isEmpty else { return [] }
        let more = inspection.setAside.count > Self.shown ? " and more" : ""
        let ids = inspection.setAside.prefix(Self.shown).joined(separator: ", ")
        return [
            row(
                "set aside",
                "\(inspection.setAside.count), which failed because their rows cannot be read: \(ids)\(more)")
        ]
    }

    private var age: String {
        switch inspection.schemaAge {
        case .current: "current"
        case .older: "older: the next start migrates it"
        case .newer: "newer than this program"
        }
    }

    private func count(of invariant: Invariant) -> Int { inspection.counts[invariant.rawValue] ?? 0 }

    private func verdict(_ invariant: Invariant) -> String {
        let count = count(of: invariant)
        let verdict = count > 0 ? "violated \(count) times" : inspection.hasExamined(invariant) ? "ok" : "not checked"
        return row(invariant.rawValue, "\(verdict.padded(to: 16)) \(invariant.sentence)")
    }

    private func violations(of invariant: Invariant) -> [String] {
        let found = inspection.violations.filter { $0.invariant == invariant }.prefix(Self.shown)
        var lines = ["\(invariant.rawValue): \(invariant.sentence). Violations:"]
        lines += found.map { "  \($0.job.map { "\($0): " } ?? "")\($0.detail)" }
        let left = count(of: invariant) - found.count
        if left > 0 { lines.append("  and \(left) more") }
        return lines + ["  \(invariant.remedy)"]
    }

    private var conclusion: String {
        if inspection.schemaAge == .newer {
            return
                "This database was written by a newer version. Start that version, or restore a backup from before the upgrade."
        }
        return inspection.isSound ? "No errors found." : "\(inspection.violationCount) errors found."
    }

    private func row(_ name: String, _ value: String) -> String { "\(name.padded(to: 17)) \(value)" }
}

extension String {
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
