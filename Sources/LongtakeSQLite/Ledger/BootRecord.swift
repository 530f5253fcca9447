import GRDB
import LongtakeCore

/// What the database knows of itself: its epoch, and how often a process has begun on it.
enum BootRecord {
    /// Draws the epoch of a new database, and counts this boot.
    static func begin(_ db: Database) throws -> (epoch: Epoch, number: Int64) {
        var generator = SystemRandomNumberGenerator()
        try db.execute(
            sql: "INSERT OR IGNORE INTO meta (name, value) VALUES ('epoch', ?), ('boot', '0')",
            arguments: [Epoch.random(using: &generator).description])
        try db.execute(sql: "UPDATE meta SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = 'boot'")
        guard let epoch = try Epoch(String.fetchOne(db, sql: "SELECT value FROM meta WHERE name = 'epoch'") ?? ""),
            let number = try Int64.fetchOne(db, sql: "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'boot'")
        else { throw UnreadableRow("meta") }
        return (epoch, number)
    }

    static func probe(_ db: Database, at time: Timestamp) throws {
        try db.execute(
            sql:
                "INSERT INTO meta (name, value) VALUES ('probe', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            arguments: ["\(time)"])
    }
}
