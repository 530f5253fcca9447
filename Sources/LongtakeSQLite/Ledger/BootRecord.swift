import GRDB
import LongtakeCore

/// What the database knows of itself: its epoch, and how often a process has begun on it.
enum BootRecord {
    /// The epoch, drawn where the database is new, and the number of the boot that begins now.
    static func read(_ db: Database) throws -> (epoch: Epoch, number: Int64) {
        // Two rows, since a database that lost its log may have been given the one alone.
        if try Int.fetchOne(db, sql: "SELECT count(*) FROM meta WHERE name = 'epoch'") == 0 { try renew(db) }
        try db.execute(sql: "INSERT OR IGNORE INTO meta (name, value) VALUES ('boot', '0')")
        guard let epoch = try Epoch(String.fetchOne(db, sql: "SELECT value FROM meta WHERE name = 'epoch'") ?? ""),
            let number = try Int64.fetchOne(db, sql: "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'boot'")
        else { throw UnreadableRow("meta") }
        return (epoch, number + 1)
    }

    /// Counts this boot.
    static func count(_ db: Database) throws {
        try db.execute(sql: "UPDATE meta SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = 'boot'")
    }

    /// Draws an epoch: of a new database, or of a copy, whose history goes on by itself.
    static func renew(_ db: Database) throws {
        var generator = SystemRandomNumberGenerator()
        try db.execute(
            sql:
                "INSERT INTO meta (name, value) VALUES ('epoch', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            arguments: [Epoch.random(using: &generator).description])
    }

    static func probe(_ db: Database, at time: Timestamp) throws {
        try db.execute(
            sql:
                "INSERT INTO meta (name, value) VALUES ('probe', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            arguments: ["\(time)"])
    }
}
