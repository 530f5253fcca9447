import FoundationEssentials
import GRDB
import GRDBSQLite
import Glibc
import LongtakeCore
import Synchronization

/// Copies the database while the writer uses it, on a connection of its own that only reads.
///
/// `VACUUM INTO` reads everything in one transaction and writes a new, compact file. So the copy
/// contains the state of one commit, and a damaged page makes it fail. The copy has a temporary
/// name until it is complete, synced, and has a new epoch.
final class BackupCopy: Sendable {
    private let source: DatabaseQueue
    private let path: String
    private let isStopped = Atomic(false)
    private let files: WALFiles
    private let bounds: Bounds
    private let began = ContinuousClock.now
    private let walBytes: Int64
    /// Why the copy ends early, if nobody stopped it.
    private let excess = Mutex<String?>(nil)

    static let partial = ".part"

    /// Limits of a copy: while it reads, SQLite cannot restart the WAL.
    struct Bounds: Sendable {
        var timeLimit = SQLiteLimits.backupTimeLimit
        /// How many bytes the WAL may grow. It may never use more than the space that is free on
        /// its disk.
        var walBytes = SQLiteLimits.backupWALBytes
    }

    /// - Parameter path: the path of the copy, in an existing directory.
    init(of database: String, to path: String, bounds: Bounds = .init()) throws {
        self.bounds = bounds
        files = WALFiles(of: database)
        walBytes = files.walBytes
        var settings = Configuration()
        settings.readonly = true
        source = try DatabaseQueue(path: database, configuration: settings)
        self.path = path
    }

    /// A sentence for the operator.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Blocks its thread until the copy is on the disk, under its temporary name.
    func copyRows() throws {
        let part = path + Self.partial
        do {
            try checkRoom()
            try SyncedFile.make(part)
            try source.inDatabase { db in
                watchForStop(db)
                try db.execute(sql: "VACUUM INTO ?", arguments: [part])
            }
            try source.close()
            guard !isStopped.load(ordering: .relaxed) else { throw DatabaseError(resultCode: .SQLITE_INTERRUPT) }
            try Self.renewEpoch(of: part)
            try SyncedFile.sync(part)
        } catch {
            discard()
            try? source.close()
            throw excess.withLock { $0 }.map(Failure.init) ?? error
        }
    }

    /// Gives a complete copy its final name. It is discarded if that fails.
    /// - Returns: the bytes of the copy.
    func publish() throws -> Int64 {
        do {
            try SyncedFile.rename(path + Self.partial, to: path)
            return SyncedFile.bytes(of: path)
        } catch {
            discard()
            throw error
        }
    }

    /// Removes the copy, which has no final name.
    func discard() { for suffix in ["", "-journal"] { unlink(path + Self.partial + suffix) } }

    /// Whether nobody has stopped the backup.
    var isWanted: Bool { !isStopped.load(ordering: .relaxed) }

    /// Reads the rows about content in the copy.
    func readContent<Value>(_ body: (any ContentRows) throws -> Value) throws -> Value {
        try DatabaseContentRows.read(path + Self.partial, body)
    }

    /// Ends the copy soon. Any thread may call it, also before the copy begins.
    func stop() { isStopped.store(true, ordering: .relaxed) }

    /// SQLite regularly asks if it should continue. `sqlite3_interrupt` would have no effect before
    /// a statement runs.
    private func watchForStop(_ db: Database) {
        sqlite3_progress_handler(
            db.sqliteConnection, 1_000,
            { context in
                Unmanaged<BackupCopy>.fromOpaque(context!).takeUnretainedValue().mayGoOn() ? 0 : 1
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    private func mayGoOn() -> Bool {
        if isStopped.load(ordering: .relaxed) { return false }
        let grown = files.walBytes - walBytes
        let free = SyncedFile.freeBytes(in: SyncedFile.directory(of: files.wal))
        if .now - began > bounds.timeLimit {
            excess.withLock { $0 = "it took longer than \(bounds.timeLimit.components.seconds) seconds" }
        } else if grown > bounds.walBytes || grown > free {
            excess.withLock {
                $0 =
                    "the WAL grew by \(grown) bytes meanwhile, and \(free) are free; run the backup when the daemon writes less, or use a faster disk"
            }
        } else {
            return true
        }
        return false
    }

    /// Generates a new epoch for a copy that nobody uses, so that cursors of the original are
    /// invalid in it.
    static func renewEpoch(of path: String) throws {
        let copy = try DatabaseQueue(path: path)
        try copy.write { try BootRecord.renew($0) }
        try copy.close()
    }

    /// The copy must not use the space that the database itself needs.
    private func checkRoom() throws {
        let needed = try source.read { try DatabaseSize($0).usedBytes } + SQLiteLimits.backupSpareBytes
        let free = SyncedFile.freeBytes(in: SyncedFile.directory(of: path))
        guard free >= needed else {
            throw Failure(
                description:
                    "the copy and the space that must stay free need \(needed) bytes, and the disk has \(free) free")
        }
    }
}
