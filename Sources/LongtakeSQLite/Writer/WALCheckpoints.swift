import GRDB
import GRDBSQLite
import Synchronization

/// When to run a checkpoint, which copies the WAL into the database, as a value.
///
/// If readers keep SQLite from restarting the WAL at its beginning, the WAL grows. Then a
/// checkpoint is due only each time it has grown by one step more, because each checkpoint syncs
/// two files.
struct CheckpointPlan {
    /// The pages of the WAL at the last checkpoint.
    private var checkpointed: Int32 = 0

    /// SQLite's own default, 4 MB of 4 KiB pages.
    static let step: Int32 = 1_000
    /// 64 MB. From here on the checkpoint waits for readers, so that the WAL can restart.
    static let long: Int32 = 16_384

    /// - Parameter pages: the pages of the WAL after a commit.
    /// - Returns: the checkpoint to run now, if one is due.
    mutating func due(at pages: Int32) -> Database.CheckpointMode? {
        // SQLite has restarted the WAL.
        if pages < checkpointed { checkpointed = 0 }
        guard pages - checkpointed > Self.step else { return nil }
        checkpointed = pages
        return pages > Self.long ? .truncate : .passive
    }
}

/// Counts the pages of the WAL and runs the checkpoints that are due.
///
/// They always run on the writer's connection: SQLite up to 3.51.2 can corrupt a database if a
/// second connection runs them. Unchecked, because SQLite calls the hook within COMMIT, so only the
/// writer's queue touches the number.
final class WALCheckpoints: @unchecked Sendable {
    private var pages: Int32 = 0
    private var plan = CheckpointPlan()
    /// How long a checkpoint of a long WAL waits for its readers. Each of them reads one page of a
    /// list. Later readers read from the database file (sqlite.org/c3ref/wal_checkpoint_v2.html),
    /// so the wait can end.
    private static let waitMilliseconds: Int32 = 250

    /// The number of reads that take minutes. Waiting for them would only delay the writer.
    let longReads = Atomic(0)

    func install(on db: Database) {
        sqlite3_wal_hook(
            db.sqliteConnection,
            { context, _, _, pages in
                Unmanaged<WALCheckpoints>.fromOpaque(context!).takeUnretainedValue().pages = pages
                return SQLITE_OK
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Call this between two transactions. A checkpoint that fails loses nothing: the next one
    /// continues.
    /// - Returns: whether one was due, which happens once per step of growth.
    func runIfDue(_ db: Database) -> Bool {
        guard var mode = plan.due(at: pages) else { return false }
        if longReads.load(ordering: .relaxed) > 0 { mode = .passive }
        if mode == .truncate { sqlite3_busy_timeout(db.sqliteConnection, Self.waitMilliseconds) }
        _ = try? db.checkpoint(mode)
        if mode == .truncate { sqlite3_busy_timeout(db.sqliteConnection, 0) }
        return true
    }
}
