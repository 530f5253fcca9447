import GRDB
import LongtakeCore

/// Checks everything besides the jobs: counters, keys, assigned numbers, and the rows about the
/// database itself.
struct CounterCheck {
    func compare(into found: inout StorageInspection, _ db: Database) throws {
        let waiting = try Row.fetchCursor(
            db,
            sql: """
                WITH counted AS (
                    SELECT queue, tenant, count(*) AS n FROM stage WHERE state = 'queued' AND due_at IS NULL GROUP BY queue, tenant)
                SELECT queue, tenant, coalesce(share.waiting, 0), n FROM counted LEFT JOIN share USING (queue, tenant)
                WHERE coalesce(share.waiting, 0) <> n
                UNION ALL
                SELECT queue, tenant, share.waiting, 0 FROM share LEFT JOIN counted USING (queue, tenant)
                WHERE share.waiting > 0 AND n IS NULL
                """)
        while let row = try waiting.next() {
            let place = "\(row[0] as String), tenant \(row[1] as String)"
            found.add(
                Violation(.waitingCount, "\(place): the counter says \(row[2] as Int64), and \(row[3] as Int64) wait"))
        }
        let keys = try Row.fetchCursor(
            db,
            sql: """
                SELECT job.id, idempotency.tenant FROM idempotency JOIN job ON job.key = idempotency.job
                WHERE job.tenant <> idempotency.tenant
                """)
        while let row = try keys.next() {
            found.add(Violation(.idempotencyKey, job: row[0], "a key of tenant \(row[1] as String) refers to it"))
        }
        for (table, column) in [("event", "position"), ("job", "key")] {
            let highest = try Int64.fetchOne(db, sql: "SELECT max(\(column)) FROM \(table)") ?? 0
            let given = try Int64.fetchOne(db, sql: "SELECT seq FROM sqlite_sequence WHERE name = '\(table)'") ?? 0
            if highest > given {
                found.add(
                    Violation(
                        .positions, "\(table).\(column) has \(highest), and the highest assigned number is \(given)"))
            }
        }
        try compareRecord(into: &found, db)
    }

    private func compareRecord(into found: inout StorageInspection, _ db: Database) throws {
        let rows = try Row.fetchAll(db, sql: "SELECT name, value FROM meta")
        let meta = Dictionary(uniqueKeysWithValues: rows.map { ($0[0] as String, $0[1] as String) })
        found.epoch = meta["epoch"] ?? ""
        found.boots = meta["boot"].flatMap { Int64($0) } ?? 0
        // Before its first boot a database has neither row; after it, both.
        let isFresh = meta["epoch"] == nil && meta["boot"] == nil && found.jobs == 0
        if !isFresh, Epoch(found.epoch) == nil { found.add(Violation(.meta, "the epoch is “\(found.epoch)”")) }
        if !isFresh, found.boots < 1 { found.add(Violation(.meta, "the number of boots is \(found.boots)")) }
        let given = try FeedReader.head(db)
        let deleted =
            try db.tableExists("deletion") ? Int64.fetchOne(db, sql: "SELECT max(through) FROM deletion") : nil
        if max(try PruneRecord.prunedThrough(db), deleted ?? 0) > given {
            found.add(Violation(.positions, "events were removed up to a position that was never assigned"))
        }
    }
}
