import GRDB
import LongtakeCore

/// The rows that record which events were removed.
enum PruneRecord {
    /// The highest position of an event that pruning ever removed; 0 before the first.
    ///
    /// After this position the feed of all jobs is complete. A feed reader with an older cursor may
    /// have missed events.
    static func prunedThrough(_ db: Database) throws -> Int64 {
        let statement = try db.cachedStatement(
            sql: "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'pruned_through'")
        return try Int64.fetchOne(statement) ?? 0
    }

    /// Call this in the transaction that removes the events. The value never decreases, because
    /// jobs do not finish in the order of their events.
    static func raise(through position: Int64, _ db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO meta (name, value) VALUES ('pruned_through', CAST(? AS TEXT))
                ON CONFLICT (name) DO UPDATE SET value = excluded.value
                WHERE CAST(excluded.value AS INTEGER) > CAST(value AS INTEGER)
                """
        ).execute(arguments: [position])
    }

    /// The same for one tenant, including the jobs that it deleted. Other tenants do not miss
    /// those.
    static func prunedThrough(of tenant: TenantName, _ db: Database) throws -> Int64 {
        let statement = try db.cachedStatement(sql: "SELECT through FROM deletion WHERE tenant = ?")
        let deleted = try Int64.fetchOne(statement, arguments: [tenant.description])
        return max(try prunedThrough(db), deleted ?? 0)
    }

    /// Call this in the transaction that hides the job from its tenant.
    static func raise(through position: Int64, of tenant: TenantName, _ db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO deletion (tenant, through) VALUES (?, ?)
                ON CONFLICT (tenant) DO UPDATE SET through = max(through, excluded.through)
                """
        ).execute(arguments: [tenant.description, position])
    }
}
