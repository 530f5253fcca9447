import GRDB

/// What `ANALYZE` and `PRAGMA optimize` leave for SQLite's planner. Here nobody runs them, and what somebody left goes at the start:
/// every query is written for an index, and statistics of a small database turn them into scans of a large one (docs/decisions/0009).
enum PlannerStatistics {
    /// - Returns: whether there were any. A connection that has read them goes by them until it is closed.
    static func drop(_ db: Database) throws -> Bool {
        let tables = try String.fetchAll(
            db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'sqlite_stat[0-9]'")
        for table in tables { try db.execute(sql: "DROP TABLE \(table)") }
        return !tables.isEmpty
    }
}
