import FoundationEssentials
import GRDB
import Glibc
public import LongtakeCore

/// Verifies a database that no daemon has open, for `longtake check --data` and for restores.
public struct StorageInspector: Sendable {
    private let progress: @Sendable (Double) -> Void

    /// For a daemon that was killed a moment ago, or a child process that still has its files open.
    static let lockWait: Duration = .seconds(1)

    /// - Parameter progress: called from time to time with the completed fraction, from 0 to 1.
    public init(progress: @escaping @Sendable (Double) -> Void = { _ in }) { self.progress = progress }

    /// Verifies the database of a data directory and keeps daemons away meanwhile. Blocks its
    /// thread, for minutes if the database is large.
    /// - Parameter content: compares stored content with its rows, while daemons are still kept
    ///   away. It is not called if the rows cannot be read.
    /// - Throws: ``StorageRefusal`` if there is no Longtake database, it cannot be read, or a
    ///   daemon uses it.
    public func inspect(
        directory: String, content: (any ContentRows) throws -> Void = { _ in }
    ) throws(StorageRefusal) -> StorageInspection {
        let lock = try DirectoryLock(toReadFrom: directory, wait: Self.lockWait)
        defer { withExtendedLifetime(lock) {} }
        return try inspect(file: directory + "/longtake.db", content: content)
    }

    /// Verifies one database file that no process writes, such as a backup, including its WAL.
    /// - Throws: ``StorageRefusal``.
    public func inspect(
        file path: String, content: (any ContentRows) throws -> Void = { _ in }
    ) throws(StorageRefusal) -> StorageInspection {
        guard FileManager.default.fileExists(atPath: path) else {
            throw StorageRefusal("there is no database at \(path). Name the directory of storage.path.")
        }
        guard try FileHeader(of: path) != nil else {
            throw StorageRefusal(
                "\(path) is empty. Restore a backup (longtake restore), or remove it to start with a new database.")
        }
        let leftovers = WALFiles(of: path)
        let walBytes = leftovers.walBytes
        defer { leftovers.removeCreated() }
        var settings = Configuration()
        settings.readonly = true
        do {
            let queue = try DatabaseQueue(path: path, configuration: settings)
            let inspection = try queue.read { db in
                let inspection = try inspect(path, walBytes, db)
                if inspection.hasExamined(.files), try db.tableExists("artifact") {
                    try content(DatabaseContentRows(db))
                }
                return inspection
            }
            try queue.close()
            return inspection
        } catch let error as DatabaseError {
            throw StorageRefusal(reading: path, failed: error)
        } catch {
            throw StorageRefusal("\(path) cannot be verified: \(error).")
        }
    }

    private func inspect(_ path: String, _ walBytes: Int64, _ db: Database) throws -> StorageInspection {
        // A daemon that was killed in its first second leaves a file with an application id and
        // without tables.
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
        // The other checks would fail on a damaged page, with a less clear message.
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
        try FileCheck().compare(into: &found, db)
        return found
    }
}

/// The result of an inspection. The inspection changes nothing, and needs the same memory for any
/// size of the database.
public struct StorageInspection: Hashable, Sendable, Encodable {
    /// The path of the database file.
    public let path: String
    public let bytes: Int64
    /// The bytes of a WAL that a process left behind; 0 after a graceful shutdown.
    public let walBytes: Int64
    public let sqliteVersion: String
    public let applicationID: Int32
    /// The applied migrations in their order.
    public let schema: [String]
    public let schemaAge: SchemaAge
    public internal(set) var epoch = ""
    public internal(set) var boots: Int64 = 0
    public internal(set) var jobs: Int64 = 0
    public internal(set) var events: Int64 = 0
    /// The ids of jobs that the daemon has set aside because they cannot be read, as they are
    /// stored. They are no violations: these jobs are final, and their unreadable values are kept.
    public internal(set) var setAside: [String] = []
    /// The number of violations of each invariant, by its name. Invariants that hold are omitted.
    public internal(set) var counts: [String: Int] = [:]
    /// The first violations, at most ``violationsKept`` of each invariant.
    public internal(set) var violations: [Violation] = []

    /// How many violations of one invariant are listed. Further ones are only counted.
    public static let violationsKept = 100

    /// The schema compared with that of this program.
    public enum SchemaAge: String, Hashable, Sendable, Encodable {
        case current
        /// The next start migrates it.
        case older
        /// Only a newer program can open it. Nothing was verified.
        case newer
    }

    private enum CodingKeys: String, CodingKey {
        case path, bytes, schema, epoch, boots, jobs, events, counts, violations
        case setAside = "set_aside"
        case walBytes = "wal_bytes"
        case sqliteVersion = "sqlite_version"
        case applicationID = "application_id"
        case schemaAge = "schema_age"
    }

    /// Whether this program can open the database and every invariant holds.
    public var isSound: Bool { schemaAge != .newer && violationCount == 0 }

    /// The number of all violations, including those that are not listed.
    public var violationCount: Int { counts.values.reduce(0, +) }

    /// Whether the rows were verified. They are not if the file is damaged, because they would mean
    /// little.
    public func hasExamined(_ invariant: Invariant) -> Bool {
        schemaAge != .newer && !schema.isEmpty
            && (invariant == .integrity || counts[Invariant.integrity.rawValue] == nil)
    }

    mutating func add(_ violation: Violation) {
        let count = counts[violation.invariant.rawValue, default: 0]
        counts[violation.invariant.rawValue] = count + 1
        if count < Self.violationsKept { violations.append(violation) }
    }
}
