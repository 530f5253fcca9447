import GRDB
import GRDBSQLite

/// How long the write-ahead log is, and when to fold it into the database.
///
/// Always on the writer's connection: SQLite up to 3.51.2 can corrupt a database where a second one checkpoints. Unchecked, because SQLite
/// calls the hook within COMMIT, so the number is only touched on the writer's queue.
final class WALPages: @unchecked Sendable {
    private var count: Int32 = 0
    /// SQLite's own default.
    private static let passive: Int32 = 1_000
    /// 64 MB of 4 KiB pages. TRUNCATE waits for no reader here (no busy handler), it is tried again after the next commit.
    private static let truncate: Int32 = 16_384

    func install(on db: Database) {
        sqlite3_wal_hook(
            db.sqliteConnection,
            { context, _, _, pages in
                Unmanaged<WALPages>.fromOpaque(context!).takeUnretainedValue().count = pages
                return SQLITE_OK
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Between two transactions. A checkpoint that fails loses nothing: the log stays, and the next one goes on.
    /// - Returns: whether it was due, which it is once per so much growth.
    func checkpointIfDue(_ db: Database) -> Bool {
        guard count > Self.passive else { return false }
        let isLong = count > Self.truncate
        count = 0
        _ = try? db.checkpoint(isLong ? .truncate : .passive)
        return true
    }
}
