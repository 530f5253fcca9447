import GRDB
import LongtakeCore

/// What the database remembers of events that are gone.
enum PruneRecord {
    /// The highest position of an event that pruning ever took away; 0 before the first.
    ///
    /// The log of all jobs is whole behind it. A reader of that log whose cursor lies before it may have missed something.
    static func prunedThrough(_ db: Database) throws -> Int64 {
        let statement = try db.cachedStatement(
            sql: "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'pruned_through'")
        return try Int64.fetchOne(statement) ?? 0
    }

    /// In the transaction that takes the events away. Never decreases, since jobs do not finish in the order of their events.
    static func raise(through position: Int64, _ db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO meta (name, value) VALUES ('pruned_through', CAST(? AS TEXT))
                ON CONFLICT (name) DO UPDATE SET value = excluded.value
                WHERE CAST(excluded.value AS INTEGER) > CAST(value AS INTEGER)
                """
        ).execute(arguments: [position])
    }

    /// The same for one tenant, which has also deleted jobs: nobody else misses those.
    static func prunedThrough(of tenant: TenantName, _ db: Database) throws -> Int64 {
        let statement = try db.cachedStatement(sql: "SELECT through FROM deletion WHERE tenant = ?")
        let deleted = try Int64.fetchOne(statement, arguments: [tenant.description])
        return max(try prunedThrough(db), deleted ?? 0)
    }

    /// In the transaction that hides the job from its tenant.
    static func raise(through position: Int64, of tenant: TenantName, _ db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO deletion (tenant, through) VALUES (?, ?)
                ON CONFLICT (tenant) DO UPDATE SET through = max(through, excluded.through)
                """
        ).execute(arguments: [tenant.description, position])
    }
}
