import Dispatch
import FoundationEssentials
import GRDB
import Glibc
import LongtakeCore

/// From a directory to a database that is ours, sound and set up. Everything here blocks its thread.
struct StorageOpening {
    let directory: String
    let configuration: SQLiteConfiguration

    var path: String { directory + "/longtake.db" }

    /// - Parameter whenHeld: called once where somebody else has the directory, before the wait for it.
    func lock(whenHeld: () -> Void) throws -> DirectoryLock {
        do {
            try SyncedFile.makeDirectory(directory)
        } catch {
            throw StorageRefusal(
                directory: directory, failed: error, remedy: "Give the daemon a directory that it may write to.")
        }
        return try DirectoryLock(directory: directory, wait: configuration.lockWait, whenHeld: whenHeld)
    }

    /// Takes the rights from others that an older version left them, in a directory that this process has locked and not opened yet: closing a
    /// descriptor of the database drops the locks that SQLite holds on it (sqlite.org/howtocorrupt.html §2.2).
    /// - Returns: what could not be changed, since it belongs to another user.
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

    /// Whether somebody has removed the write-ahead log behind a crash: an orderly end leaves a note, and nothing else removes it.
    ///
    /// The answer is kept with the lock until ``DirectoryLock/Note/open`` takes its place, since opening makes a log anew.
    func isLogGone(_ lock: DirectoryLock) -> Bool {
        if lock.note == .robbed { return true }
        guard lock.note == .open, FileManager.default.fileExists(atPath: path),
            !FileManager.default.fileExists(atPath: LogFiles(of: path).wal)
        else { return false }
        lock.leave(.robbed)
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
            if header.isInWALMode { LogFiles(of: path).standIn() }
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

    /// Where there is no room for the index of the log, SQLite tells an I/O error or that it cannot open.
    private static func mayNeedRoom(_ error: DatabaseError) -> Bool {
        [.SQLITE_FULL, .SQLITE_IOERR, .SQLITE_CANTOPEN].contains(error.resultCode)
    }

    /// `nil` where there is no database yet; one that is not ours is refused.
    private func header() throws(StorageRefusal) -> FileHeader? {
        let unfinished = directory + "/" + StorageRestore.unfinished
        if FileManager.default.fileExists(atPath: unfinished) {
            let isThere = FileManager.default.fileExists(atPath: path)
            let remedy =
                isThere
                ? "Run longtake restore again with --replace, or remove \(unfinished) to keep the database that is there."
                : "Run longtake restore again; what was there before is kept in a directory beside it (replaced…)."
            throw StorageRefusal("a restore into \(directory) was not finished. \(remedy)")
        }
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        return try FileHeader(of: path)
    }

    /// With its mark from the first byte on, and before the WAL, so that the header alone tells whose it is.
    private func create() throws {
        if !FileManager.default.fileExists(atPath: path) {
            do {
                // SQLite would let others read it. It gives the log and its index the rights of the database.
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

    /// After opening, because the pool sets `synchronous = NORMAL` on its writer once `prepareDatabase` has run.
    private func prepareWriter(_ db: Database, _ checkpoints: WALCheckpoints) throws {
        try db.execute(sql: "PRAGMA synchronous = FULL")
        try db.execute(sql: "PRAGMA secure_delete = OFF")
        _ = try Int.fetchOne(db, sql: "PRAGMA wal_autocheckpoint = 0")
        _ = try Int.fetchOne(db, sql: "PRAGMA journal_size_limit = \(64 * 1024 * 1024)")
        checkpoints.install(on: db)
        guard try Int.fetchOne(db, sql: "PRAGMA synchronous") == 2 else {
            throw StorageRefusal(
                "SQLite does not keep synchronous = FULL, so a power cut could lose work. Use another SQLite library.")
        }
        // Reading everything could take minutes; a small database is read through, a large one is found out page by page.
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
        // Where nothing is to be done nothing is to be written either, since the disk may be full.
        guard try !pool.read(migrator.hasCompletedMigrations) else { return }
        try CrashPoint.watchingStatements(of: pool) { try migrator.migrate(pool) }
    }

    /// Each waits for all, so that the pool cannot answer two with one connection.
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
