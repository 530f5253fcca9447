import GRDB

/// A version of the SQLite library.
struct SQLiteVersion: Comparable {
    let parts: [Int]

    /// The library's that this process runs with.
    static func ofLibrary(_ pool: DatabasePool) throws -> String {
        try pool.read { try String.fetchOne($0, sql: "SELECT sqlite_version()") } ?? ""
    }

    init(_ text: String) { parts = text.split(separator: ".").map { Int($0) ?? 0 } }

    /// Whether two connections that write and checkpoint at the same instant can corrupt the database (sqlite.org/wal.html, “the WAL-reset
    /// bug”). This daemon has one such connection, so it is safe itself; a tool that opens the file for writing beside it is not.
    var hasWALResetBug: Bool {
        if self < Self("3.7.0") || self >= Self("3.51.3") { return false }
        if parts.starts(with: [3, 50]) { return self < Self("3.50.7") }
        if parts.starts(with: [3, 44]) { return self < Self("3.44.6") }
        return true
    }

    static func < (left: Self, right: Self) -> Bool { left.parts.lexicographicallyPrecedes(right.parts) }
}
