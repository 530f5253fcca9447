import FoundationEssentials
import GRDB
import GRDBSQLite
import Glibc
import LongtakeCore
import Synchronization

/// Makes one copy of the database, while it is written to, on a connection of its own that only reads.
///
/// `VACUUM INTO` reads everything in one transaction and writes a new, tight file, so that the copy is what one commit left, and no page that
/// is damaged is copied unseen. Until it is whole, synced and marked as another life of the database, it has another name.
final class BackupCopy: Sendable {
    private let source: DatabaseQueue
    private let path: String
    private let isStopped = Atomic(false)

    static let partial = ".part"

    /// - Parameter path: of the copy, in a directory that is there.
    init(of database: String, to path: String) throws {
        var settings = Configuration()
        settings.readonly = true
        source = try DatabaseQueue(path: database, configuration: settings)
        self.path = path
    }

    /// A sentence for the operator.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// So far.
    var bytes: Int64 { SyncedFile.bytes(of: path + Self.partial) }

    /// Blocks its thread until the copy is on the disk.
    /// - Returns: how many bytes it has.
    func run() throws -> Int64 {
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
            try SyncedFile.rename(part, to: path)
            return SyncedFile.bytes(of: path)
        } catch {
            for suffix in ["", "-journal"] { unlink(part + suffix) }
            try? source.close()
            throw error
        }
    }

    /// Ends it, soon; from any thread, also before it has begun.
    func stop() { isStopped.store(true, ordering: .relaxed) }

    /// SQLite asks from time to time whether to go on; `sqlite3_interrupt` would be lost where no statement runs yet.
    private func watchForStop(_ db: Database) {
        sqlite3_progress_handler(
            db.sqliteConnection, 1_000,
            { context in
                Unmanaged<BackupCopy>.fromOpaque(context!).takeUnretainedValue().isStopped.load(ordering: .relaxed)
                    ? 1 : 0
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Of a copy that nobody uses: from here on no cursor that the original gave out is one of this database.
    static func renewEpoch(of path: String) throws {
        let copy = try DatabaseQueue(path: path)
        try copy.write { try BootRecord.renew($0) }
        try copy.close()
    }

    /// The copy must not take the room that the database itself needs to go on.
    private func checkRoom() throws {
        let needed = try source.read { try DatabaseSize($0).usedBytes } + Limits.backupSpares
        let free = SyncedFile.freeBytes(in: SyncedFile.directory(of: path))
        guard free >= needed else {
            throw Failure(
                description: "the copy and what must stay free take \(needed) bytes, and the disk has \(free) free")
        }
    }
}
