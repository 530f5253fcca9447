import FoundationEssentials
import GRDB
import Glibc
import LongtakeCore

/// Looks through a database that no daemon has open: `longtake check --data`, and what is restored.
public struct StorageInspector: Sendable {
    private let progress: @Sendable (Double) -> Void

    /// For a daemon that was killed a moment ago, or a child of its that still has its files open.
    static let lockWait: Duration = .seconds(1)

    /// - Parameter progress: told from time to time how much is done, from 0 to 1.
    public init(progress: @escaping @Sendable (Double) -> Void = { _ in }) { self.progress = progress }

    /// Looks through the database of a data directory, which no daemon can take meanwhile. Blocks its thread, for minutes where it is large.
    /// - Throws: ``StorageRefusal`` where there is no database of ours, it cannot be read, or a daemon has it.
    public func inspect(directory: String) throws(StorageRefusal) -> StorageInspection {
        let lock = try DirectoryLock(toReadFrom: directory, wait: Self.lockWait)
        defer { withExtendedLifetime(lock) {} }
        return try inspect(file: directory + "/longtake.db")
    }

    /// Looks through one database file that nobody writes to, such as a backup. Its write-ahead log, if it has one, counts.
    /// - Throws: ``StorageRefusal``.
    public func inspect(file path: String) throws(StorageRefusal) -> StorageInspection {
        guard FileManager.default.fileExists(atPath: path) else {
            throw StorageRefusal("there is no database at \(path). Name the directory of storage.path.")
        }
        guard try FileHeader(of: path) != nil else {
            throw StorageRefusal("\(path) is empty. Restore a backup (longtake restore), or remove it to begin anew.")
        }
        let leftovers = LogFiles(of: path)
        let walBytes = leftovers.walBytes
        defer { leftovers.removeNew() }
        var settings = Configuration()
        settings.readonly = true
        do {
            let queue = try DatabaseQueue(path: path, configuration: settings)
            let inspection = try queue.read { try look(path, walBytes, $0) }
            try queue.close()
            return inspection
        } catch let error as DatabaseError {
            throw StorageRefusal(reading: path, failed: error)
        } catch {
            throw StorageRefusal("\(path) cannot be looked through: \(error).")
        }
    }

    private func look(_ path: String, _ walBytes: Int64, _ db: Database) throws -> StorageInspection {
        // A daemon that was killed in its first second leaves a file with its mark and no tables.
        let isEmpty = try !db.tableExists("grdb_migrations")
        let schema =
            isEmpty ? [] : try String.fetchAll(db, sql: "SELECT identifier FROM grdb_migrations ORDER BY rowid")
        let known = Schema.migrator.migrations
        var found = StorageInspection(
            path: path,
            bytes: try Int64.fetchOne(db, sql: "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
                ?? 0,
            walBytes: walBytes, sqliteVersion: try String.fetchOne(db, sql: "SELECT sqlite_version()") ?? "",
            applicationID: try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0, schema: schema,
            schemaAge: !Set(schema).isSubset(of: known) ? .newer : schema.count < known.count ? .older : .current)
        guard found.schemaAge != .newer else { return found }
        let problems = try String.fetchCursor(db, sql: "PRAGMA integrity_check(\(StorageInspection.violationsKept))")
        while let problem = try problems.next() {
            if problem != "ok" { found.add(Violation(.integrity, problem)) }
        }
        // What follows would stumble over a damaged page, and say less clearly what is wrong.
        guard found.violationCount == 0, !schema.isEmpty else { return found }
        let strays = try Row.fetchCursor(db, sql: "PRAGMA foreign_key_check")
        while let row = try strays.next() {
            let name = "row \((row[1] as Int64?).map(String.init) ?? "?") of \(row[0] as String)"
            found.add(Violation(.foreignKeys, "\(name) belongs to no \(row[2] as String)"))
        }
        let hasHolders = try db.columns(in: "stage").contains { $0.name == "holder" }
        try JobSweep(hasHolders: hasHolders) { key, last in
            if key % 1_000 == 0 { progress(Double(key) / Double(max(1, last))) }
        }.run(into: &found, db)
        try CounterCheck().compare(into: &found, db)
        return found
    }
}
