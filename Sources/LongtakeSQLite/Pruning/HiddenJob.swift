import GRDB

/// A job that is given to nobody while its rows are taken away: its tenant is the empty name, which no tenant can have, so that no query
/// of any tenant finds it.
enum HiddenJob {
    static let hideJob = "UPDATE job SET tenant = '' WHERE key = ?"
    static let freeKeys = "DELETE FROM idempotency WHERE job = ?"
    static let anyQuery = "SELECT key FROM job WHERE tenant = '' LIMIT 1"

    /// In one transaction with the note of what readers will miss. Its keys are free from here on.
    static func hide(_ key: Int64, _ db: Database) throws {
        try db.cachedStatement(sql: hideJob).execute(arguments: [key])
        try db.cachedStatement(sql: freeKeys).execute(arguments: [key])
    }

    /// One that is still to be removed; `nil` where there is none.
    static func any(_ db: Database) throws -> Int64? { try Int64.fetchOne(try db.cachedStatement(sql: anyQuery)) }
}
