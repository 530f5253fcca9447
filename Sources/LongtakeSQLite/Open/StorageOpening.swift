import Dispatch
import FoundationEssentials
import GRDB
import Glibc
import LongtakeCore

/// Opens a directory: checks that the database is sound and belongs to Longtake, and configures it.
/// All functions block their thread.
struct StorageOpening {
    let directory: String
    let configuration: SQLiteConfiguration

    var path: String { directory + "/longtake.db" }

    /// - Parameter whenHeld: called once before waiting, if another process has the directory.
    func lock(whenHeld: () -> Void) throws -> DirectoryLock {
        do {
            try SyncedFile.makeDirectory(directory)
        } catch {
            throw StorageRefusal(
                directory: directory, failed: error, remedy: "Give the daemon a directory that it may write to.")
        }
        return try DirectoryLock(directory: directory, wait: configuration.lockWait, whenHeld: whenHeld)
    }

    /// Removes the rights that an older version gave to other users. Call it after locking and
    /// before opening the database: closing a descriptor of the database drops SQLite's locks on it
    /// (sqlite.org/howtocorrupt.html §2.2).
    /// - Returns: the files that belong to another user, so that their rights could not be changed.
    func makeFilesPrivate() -> [SyncedFile.Failure] {
        let names = ["longtake.db", "longtake.db-wal", "longtake.db-shm", "longtake.reserve", "longtake.lock"]
        return names.compactMap { name in
            do throws(SyncedFile.Failure) {
                try SyncedFile.makePrivate(directory + "/" + name)
                return nil
            } catch {
                return error
            }
        }
    }

    /// Whether another program removed the WAL after a crash. A graceful shutdown leaves a note,
    /// and nothing else removes the WAL.
    ///
    /// The lock file keeps the answer until ``DirectoryLock/Note/open`` replaces it, because
    /// opening the database creates a new WAL.
    func isWALMissing(_ lock: DirectoryLock) -> Bool {
        if lock.note == .walMissing { return true }
        guard lock.note == .open, FileManager.default.fileExists(atPath: path),
            !FileManager.default.fileExists(atPath: WALFiles(of: path).wal)
        else { return false }
        lock.leave(.walMissing)
        return true
    }

    func pool(_ checkpoints: WALCheckpoints, _ reserve: ReserveFile) throws -> DatabasePool {
        do {
            do {
                return try open(checkpoints)
            } catch let error as DatabaseError where Self.mayNeedRoom(error) {
                _ = reserve.release()
                return try open(checkpoints)
            }
        } catch let error as DatabaseError {
            throw StorageRefusal(reading: path, failed: error)
        }
    }

    private func open(_ checkpoints: WALCheckpoints) throws -> DatabasePool {
        if let header = try header() {
            if header.isInWALMode { WALFiles(of: path).fillEmptyWAL() }
        } else {
            try create()
        }
        var pool = try DatabasePool(path: path, configuration: settings())
        if try pool.write(PlannerStatistics.drop) {
            try pool.close()
            pool = try DatabasePool(path: path, configuration: settings())
        }
        try pool.writeWithoutTransaction { try prepareWriter($0, checkpoints) }
        try migrate(pool)
        try openReaders(pool)
        return pool
    }

    /// If the disk has no room for the index of the WAL, SQLite reports an I/O error or that it
    /// cannot open the file.
    private static func mayNeedRoom(_ error: DatabaseError) -> Bool {
        [.SQLITE_FULL, .SQLITE_IOERR, .SQLITE_CANTOPEN].contains(error.resultCode)
    }

    /// `nil` if there is no database yet. A database of another program is refused.
    private func header() throws(StorageRefusal) -> FileHeader? {
        let unfinished = directory + "/" + StorageRestore.unfinished
        if FileManager.default.fileExists(atPath: unfinished) {
            let isThere = FileManager.default.fileExists(atPath: path)
            let remedy =
                isThere
                ? "Run longtake restore again with --replace, or remove \(unfinished) to keep the existing database."
                : "Run longtake restore again; the old database is in a directory beside it (replaced…)."
            throw StorageRefusal("a restore into \(directory) was not finished. \(remedy)")
        }
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        return try FileHeader(of: path)
    }

    /// Sets the application id first, before the WAL, so that the header alone identifies the file.
    private func create() throws {
        if !FileManager.default.fileExists(atPath: path) {
            do {
                // SQLite would let other users read it. SQLite gives the WAL and its index the
                // rights of the database.
                try SyncedFile.make(path)
            } catch {
                let isFull = error.code == ENOSPC || error.code == EDQUOT
                throw DatabaseError(resultCode: isFull ? .SQLITE_FULL : .SQLITE_CANTOPEN, message: error.reason)
            }
        }
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
            try db.execute(sql: "PRAGMA application_id = \(Schema.applicationID)")
        }
        try queue.close()
    }

    private func settings() -> Configuration {
        var settings = Configuration()
        settings.maximumReaderCount = max(1, configuration.readers)
        settings.persistentReadOnlyConnections = true
        settings.prepareDatabase { db in try db.execute(sql: "PRAGMA temp_store = MEMORY") }
        return settings
    }

    /// Runs after opening, because the pool sets `synchronous = NORMAL` on its writer after
    /// `prepareDatabase`.
    private func prepareWriter(_ db: Database, _ checkpoints: WALCheckpoints) throws {
        try db.execute(sql: "PRAGMA synchronous = FULL")
        try db.execute(sql: "PRAGMA secure_delete = OFF")
        _ = try Int.fetchOne(db, sql: "PRAGMA wal_autocheckpoint = 0")
        _ = try Int.fetchOne(db, sql: "PRAGMA journal_size_limit = \(64 * 1024 * 1024)")
        checkpoints.install(on: db)
        guard try Int.fetchOne(db, sql: "PRAGMA synchronous") == 2 else {
            throw StorageRefusal(
                "SQLite does not accept synchronous = FULL, so a power cut could lose jobs. Use another SQLite library."
            )
        }
        // Checking everything could take minutes. A small database is checked; in a large one,
        // damage is found when its page is read.
        let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
        if pages < 2_048, let problem = try String.fetchOne(db, sql: "PRAGMA quick_check(1)"), problem != "ok" {
            throw StorageRefusal("\(path) is damaged (\(problem)). Restore a backup, or move it away.")
        }
    }

    private func migrate(_ pool: DatabasePool) throws {
        let migrator = Schema.migrator
        guard try !pool.read(migrator.hasBeenSuperseded) else {
            throw StorageRefusal(
                "\(path) was written by a newer version. Start that one, or restore a backup made before the upgrade.")
        }
        // If no migration is due, nothing is written, because the disk may be full.
        guard try !pool.read(migrator.hasCompletedMigrations) else { return }
        try CrashPoint.watchingStatements(of: pool) { try migrator.migrate(pool) }
    }

    /// Each reader waits for all others, so that the pool cannot serve two requests with one
    /// connection.
    private func openReaders(_ pool: DatabasePool) throws {
        let (all, done) = (DispatchGroup(), DispatchGroup())
        for _ in 0..<max(1, configuration.readers) {
            all.enter()
            done.enter()
            pool.asyncRead { result in
                if case .success(let db) = result { _ = try? Int.fetchOne(db, sql: "SELECT count(*) FROM meta") }
                all.leave()
                all.wait()
                done.leave()
            }
        }
        done.wait()
    }
}

/// Statistics that `ANALYZE` or `PRAGMA optimize` left for SQLite's planner. Longtake runs neither,
/// and removes such statistics at startup. Every query is written for an index, and statistics of a
/// small database turn queries into scans of a large one (docs/decisions/0009).
enum PlannerStatistics {
    /// - Returns: whether there were any. A connection that has read them uses them until it is
    ///   closed.
    static func drop(_ db: Database) throws -> Bool {
        let tables = try String.fetchAll(
            db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'sqlite_stat[0-9]'")
        for table in tables { try db.execute(sql: "DROP TABLE \(table)") }
        return !tables.isEmpty
    }
}
