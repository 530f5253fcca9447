import GRDB
import LongtakeCore

/// The rows about content in a database that no daemon writes.
struct DatabaseContentRows: ContentRows {
    private let db: Database

    init(_ db: Database) { self.db = db }

    /// Opens a database file without a WAL for the time of `body`.
    static func read<Value>(_ path: String, _ body: (any ContentRows) throws -> Value) throws -> Value {
        var settings = Configuration()
        settings.readonly = true
        let queue = try DatabaseQueue(path: path, configuration: settings)
        let value = try queue.read { db in
            // A backup of an older version has no files.
            try db.tableExists("artifact") ? body(DatabaseContentRows(db)) : body(NoContentRows())
        }
        try queue.close()
        return value
    }

    func usedContent(after: ContentKey?, limit: Int) throws -> [(key: ContentKey, bytes: Int64)] {
        try FileReader.usedContent(after: after, limit: limit, db)
    }

    func isUsed(_ key: ContentKey) throws -> Bool { try FileReader.isUsed(key, db) }
}

private struct NoContentRows: ContentRows {
    func usedContent(after: ContentKey?, limit: Int) throws -> [(key: ContentKey, bytes: Int64)] { [] }

    func isUsed(_ key: ContentKey) throws -> Bool { false }
}
