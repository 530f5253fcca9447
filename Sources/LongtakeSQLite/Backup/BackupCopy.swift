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
    private let log: LogFiles
    private let bounds: Bounds
    private let began = ContinuousClock.now
    private let logBytes: Int64
    /// Why it does not go on, where that is not that it was stopped.
    private let excess = Mutex<String?>(nil)

    static let partial = ".part"

    /// What a copy may cost: as long as it reads, the write-ahead log cannot begin anew.
    struct Bounds: Sendable {
        var lasts = Limits.backupLasts
        /// By how much the log may grow. Never by more than what is then left free on its disk.
        var logBytes = Limits.backupLogBytes
    }

    /// - Parameter path: of the copy, in a directory that is there.
    init(of database: String, to path: String, bounds: Bounds = .init()) throws {
        self.bounds = bounds
        log = LogFiles(of: database)
        logBytes = log.walBytes
        var settings = Configuration()
        settings.readonly = true
        source = try DatabaseQueue(path: database, configuration: settings)
        self.path = path
    }

    /// A sentence for the operator.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

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
            throw excess.withLock { $0 }.map(Failure.init) ?? error
        }
    }

    /// Ends it, soon; from any thread, also before it has begun.
    func stop() { isStopped.store(true, ordering: .relaxed) }

    /// SQLite asks from time to time whether to go on; `sqlite3_interrupt` would be lost where no statement runs yet.
    private func watchForStop(_ db: Database) {
        sqlite3_progress_handler(
            db.sqliteConnection, 1_000,
            { context in
                Unmanaged<BackupCopy>.fromOpaque(context!).takeUnretainedValue().mayGoOn() ? 0 : 1
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    private func mayGoOn() -> Bool {
        if isStopped.load(ordering: .relaxed) { return false }
        let grown = log.walBytes - logBytes
        let free = SyncedFile.freeBytes(in: SyncedFile.directory(of: log.wal))
        if .now - began > bounds.lasts {
            excess.withLock { $0 = "it took longer than \(bounds.lasts.components.seconds) seconds" }
        } else if grown > bounds.logBytes || grown > free {
            excess.withLock {
                $0 =
                    "the write-ahead log grew by \(grown) bytes meanwhile, and \(free) are free; make it when less is written, or to a faster disk"
            }
        } else {
            return true
        }
        return false
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
