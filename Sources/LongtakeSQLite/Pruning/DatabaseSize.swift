import GRDB
import LongtakeCore

/// How much of the file is in use. SQLite keeps both numbers in the file's header, so this is cheap at any size.
struct DatabaseSize {
    let pages: Int64
    /// Pages that the next rows will take before the file grows.
    let freePages: Int64
    let pageBytes: Int64

    init(_ db: Database) throws {
        func number(_ name: String) throws -> Int64 {
            try Int64.fetchOne(try db.cachedStatement(sql: "PRAGMA " + name)) ?? 0
        }
        pages = try number("page_count")
        freePages = try number("freelist_count")
        pageBytes = try number("page_size")
    }

    var usedBytes: Int64 { (pages - freePages) * pageBytes }

    /// Gives free pages at the end of the file back to the file system, some of them in each transaction, where so many are free that the
    /// next rows will not need them soon: after the bound was lowered, or a great load is over. Fewer are kept for reuse, since giving
    /// them back means moving others, and the file would only grow again.
    /// - Returns: whether there may be more to give back.
    static func shrink(_ db: Database, keeping kept: Int64) throws -> Bool {
        func isMostlyFree(_ size: DatabaseSize) -> Bool { size.freePages > kept && size.freePages > size.pages / 2 }
        let before = try DatabaseSize(db)
        guard isMostlyFree(before) else { return false }
        try db.execute(sql: "PRAGMA incremental_vacuum(\(Limits.pagesPerShrink))")
        let after = try DatabaseSize(db)
        return after.freePages < before.freePages && isMostlyFree(after)
    }
}
