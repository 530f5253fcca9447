import GRDB
import LongtakeCore

/// Removes finished jobs that are due, the one that finished first to begin with: as many rows as one transaction may.
///
/// A job vanishes whole for readers. One whose rows fit in what is left of the transaction is deleted in it. One that does not fit is first
/// hidden (``HiddenJob``); its events go in slices, and the job row with the last. So a crash between two slices leaves a job that nobody
/// sees, and the next boot goes on with it. What clients delete is hidden already, and goes before all that is due.
struct PruneCommand: Sendable {
    let retention: Retention
    /// On the steady clock.
    let time: Timestamp
    var rows = Limits.rowsPerPrune
    var freePagesKept = Limits.freePagesKept

    static let dueQuery = "SELECT key FROM job WHERE finished_at <= ? ORDER BY finished_at, key LIMIT 1"
    static let oldestQuery = "SELECT finished_at FROM job WHERE finished_at >= 0 ORDER BY finished_at LIMIT 1"
    static let logQuery = """
        SELECT (SELECT min(seq) FROM event WHERE job = ?1), seq, position FROM event WHERE job = ?1 ORDER BY seq DESC LIMIT 1
        """
    static let slice = "DELETE FROM event WHERE job = ? AND seq < ?"
    /// Takes the rest along, by cascade.
    static let remove = "DELETE FROM job WHERE key = ?"

    /// Within the transaction that the writer has opened.
    func run(_ db: Database) throws -> PruneOutcome {
        var outcome = PruneOutcome()
        // Counts what goes by cascade, too.
        let changes = db.totalChangesCount
        var through: Int64 = 0
        while let job = try next(db) {
            let left = rows - (db.totalChangesCount - changes)
            guard left > 0 else {
                outcome.hasMore = true
                break
            }
            // What is hidden was noted when it was hidden, for those who could see it.
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
        // When nothing more is due, which may be for a long time to come.
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
        /// Of its last event, which is its highest.
        let position: Int64
        let isHidden: Bool
    }

    /// A job that is hidden already, or else the next that is due. The size is looked at before each, to stop at the bound.
    private func next(_ db: Database) throws -> Candidate? {
        let hidden = try HiddenJob.any(db)
        guard let key = try hidden ?? due(db) else { return nil }
        let row = try Row.fetchOne(try db.cachedStatement(sql: Self.logQuery), arguments: [key])
        // A damaged database may have lost the job's events. That must not keep it, nor all that are due behind it.
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
