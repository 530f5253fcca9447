import GRDB
import GRDBSQLite
import Synchronization

/// How long the write-ahead log is, and when to fold it into the database.
///
/// Always on the writer's connection: SQLite up to 3.51.2 can corrupt a database where a second one checkpoints. Unchecked, because SQLite
/// calls the hook within COMMIT, so the number is only touched on the writer's queue.
final class WALPages: @unchecked Sendable {
    private var count: Int32 = 0
    private var plan = CheckpointPlan()
    /// How long a long log waits for the readers that keep it from beginning anew: each holds it for one page of a list. Those that come
    /// meanwhile read what is folded in already (sqlite.org/c3ref/wal_checkpoint_v2.html), so that there is an end to them.
    private static let patienceMilliseconds: Int32 = 250

    /// How many reads of minutes are under way; waiting for them is in vain, and would hold the writer up.
    let readsForLong = Atomic(0)

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
        guard var mode = plan.due(at: count) else { return false }
        if readsForLong.load(ordering: .relaxed) > 0 { mode = .passive }
        if mode == .truncate { sqlite3_busy_timeout(db.sqliteConnection, Self.patienceMilliseconds) }
        _ = try? db.checkpoint(mode)
        if mode == .truncate { sqlite3_busy_timeout(db.sqliteConnection, 0) }
        return true
    }
}
