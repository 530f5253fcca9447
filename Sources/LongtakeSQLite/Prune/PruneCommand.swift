import GRDB
import LongtakeCore

/// Removes finished jobs that are due, in the order in which they finished, up to a number of rows
/// per transaction.
///
/// A reader sees a whole job or nothing of it. If the rows of a job fit into the rest of the
/// transaction, they are deleted at once. Otherwise the job is hidden first (``HiddenJob``). Later
/// transactions delete its events in parts, and the last one deletes the job's row. So after a
/// crash between two parts nobody sees the job, and the next boot continues. Jobs that clients
/// delete are hidden already, and go before all others.
struct PruneCommand: Sendable {
    let retention: Retention
    /// A time of the steady clock.
    let time: Timestamp
    var rows = SQLiteLimits.rowsPerPrune
    var freePagesKept = SQLiteLimits.freePagesKept

    static let dueQuery = "SELECT key FROM job WHERE finished_at <= ? ORDER BY finished_at, key LIMIT 1"
    static let oldestQuery = "SELECT finished_at FROM job WHERE finished_at >= 0 ORDER BY finished_at LIMIT 1"
    static let logQuery = """
        SELECT (SELECT min(seq) FROM event WHERE job = ?1), seq, position FROM event WHERE job = ?1 ORDER BY seq DESC LIMIT 1
        """
    static let slice = "DELETE FROM event WHERE job = ? AND seq < ?"
    /// The rows in other tables go by cascade.
    static let remove = "DELETE FROM job WHERE key = ?"

    /// Runs within the writer's transaction.
    func run(_ db: Database) throws -> PruneOutcome {
        var outcome = PruneOutcome()
        // This number includes the rows that go by cascade.
        let changes = db.totalChangesCount
        var through: Int64 = 0
        while let job = try next(db) {
            let left = rows - (db.totalChangesCount - changes)
            guard left > 0 else {
                outcome.hasMore = true
                break
            }
            // For a hidden job, this was recorded when it was hidden.
            if !job.isHidden { through = max(through, job.position) }
            if job.events > left {
                if !job.isHidden { try HiddenJob.hide(job.key, db) }
                try db.cachedStatement(sql: Self.slice).execute(arguments: [job.key, job.first + Int64(left)])
                outcome.events += left
            } else {
                try db.cachedStatement(sql: Self.remove).execute(arguments: [job.key])
                outcome.events += job.events
                outcome.jobs += 1
            }
            CrashPoint.reach(.inPruning)
        }
        if through > 0 { try PruneRecord.raise(through: through, db) }
        // Only if nothing more is due, perhaps for a long time.
        if !outcome.hasMore { outcome.hasMore = try DatabaseSize.shrink(db, keeping: freePagesKept) }
        outcome.usedBytes = try DatabaseSize(db).usedBytes
        outcome.oldest = Timestamp(column: try Int64.fetchOne(try db.cachedStatement(sql: Self.oldestQuery)))
        return outcome
    }

    private struct Candidate {
        let key: Int64
        /// The first event that is left.
        let first: Int64
        let events: Int
        /// The position of its last event, which is its highest.
        let position: Int64
        let isHidden: Bool
    }

    /// The next hidden job, or else the next job that is due. The size is checked before each job,
    /// so that pruning stops at the limit.
    private func next(_ db: Database) throws -> Candidate? {
        let hidden = try HiddenJob.any(db)
        guard let key = try hidden ?? due(db) else { return nil }
        let row = try Row.fetchOne(try db.cachedStatement(sql: Self.logQuery), arguments: [key])
        // A damaged database may have lost the events of the job. This must not block the jobs
        // after it.
        guard let row else { return Candidate(key: key, first: 1, events: 0, position: 0, isHidden: hidden != nil) }
        let (first, last): (Int64, Int64) = (row[0], row[1])
        return Candidate(
            key: key, first: first, events: Int(last - first) + 1, position: row[2], isHidden: hidden != nil)
    }

    private func due(_ db: Database) throws -> Int64? {
        guard let cutoff = retention.cutoff(at: time, usedBytes: try DatabaseSize(db).usedBytes) else { return nil }
        return try Int64.fetchOne(
            try db.cachedStatement(sql: Self.dueQuery), arguments: [cutoff.millisecondsSince1970])
    }
}

/// The result of one transaction of pruning, and the size of the database after it.
struct PruneOutcome: Hashable, Sendable {
    /// Jobs that were removed completely.
    var jobs = 0
    var events = 0
    /// Whether another transaction has work to do now.
    var hasMore = false
    /// Used pages × page size.
    var usedBytes: Int64 = 0
    /// The finish of the oldest finished job that is left; `nil` if all jobs are active.
    var oldest: Timestamp?
}

/// A soft-deleted job: its `tenant` is the empty string, which no query selects, while the pruner
/// removes its rows.
enum HiddenJob {
    static let hideJob = "UPDATE job SET tenant = '' WHERE key = ?"
    static let freeKeys = "DELETE FROM idempotency WHERE job = ?"
    /// Triggers add the content to `unused_content`.
    static let freeContent = ["DELETE FROM artifact WHERE job = ?", "DELETE FROM input_file WHERE job = ?"]
    static let anyQuery = "SELECT key FROM job WHERE tenant = '' LIMIT 1"

    /// Call this in the transaction that records what feed readers will miss. Afterwards the job's
    /// idempotency keys are free, and it uses no content any more.
    static func hide(_ key: Int64, _ db: Database) throws {
        try db.cachedStatement(sql: hideJob).execute(arguments: [key])
        try db.cachedStatement(sql: freeKeys).execute(arguments: [key])
        for sql in freeContent { try db.cachedStatement(sql: sql).execute(arguments: [key]) }
    }

    /// A hidden job that is left; `nil` if there is none.
    static func any(_ db: Database) throws -> Int64? { try Int64.fetchOne(try db.cachedStatement(sql: anyQuery)) }
}

/// How much of the file is in use. SQLite has both numbers in the file's header, so reading them is
/// cheap for any size.
struct DatabaseSize {
    let pages: Int64
    /// Free pages for later rows. They stay in the file.
    let freePages: Int64
    let pageBytes: Int64

    init(_ db: Database) throws {
        func number(_ name: String) throws -> Int64 {
            try Int64.fetchOne(try db.cachedStatement(sql: "PRAGMA " + name)) ?? 0
        }
        pages = try number("page_count")
        freePages = try number("freelist_count")
        pageBytes = try number("page_size")
    }

    var usedBytes: Int64 { (pages - freePages) * pageBytes }

    /// Returns free pages at the end of the file to the file system, a limited number per
    /// transaction. It does this only if more pages are free than the next rows need: after the
    /// limit was lowered, or when a high load is over. Fewer pages stay for reuse, because
    /// returning them moves other pages, and the file would only grow again.
    /// - Returns: whether there may be more to return.
    static func shrink(_ db: Database, keeping kept: Int64) throws -> Bool {
        func isMostlyFree(_ size: DatabaseSize) -> Bool { size.freePages > kept && size.freePages > size.pages / 2 }
        let before = try DatabaseSize(db)
        guard isMostlyFree(before) else { return false }
        try db.execute(sql: "PRAGMA incremental_vacuum(\(SQLiteLimits.pagesPerShrink))")
        let after = try DatabaseSize(db)
        return after.freePages < before.freePages && isMostlyFree(after)
    }
}
