import GRDB
import Testing

@testable import LongtakeSQLite

@Suite("prepared statements")
struct PreparedStatementTests {
    /// A table with every type, where `key` is unique and `size` is positive.
    private func withTable(_ body: (Database, PreparedStatement) throws -> Void) throws {
        try DatabaseQueue().writeWithoutTransaction { db in
            try db.execute(
                sql: """
                    CREATE TABLE sample (key INTEGER PRIMARY KEY, size INTEGER CHECK (size > 0), share REAL, text TEXT) STRICT
                    """)
            try body(db, PreparedStatement("INSERT INTO sample (key, size, share, text) VALUES (?, ?, ?, ?)", db))
        }
    }

    private func rows(_ db: Database) throws -> [Row] { try Row.fetchAll(db, sql: "SELECT * FROM sample ORDER BY key") }

    @Test("each run stores its own values unchanged")
    func values() throws {
        try withTable { db, insert in
            let long = String(repeating: "längere Texte, ", count: 5_000)
            try insert.run(1, 7, 0.1, "kurz")
            try insert.run(Int64.max, Int?.none, Double?.none, String?.none)
            try insert.run(2, Int64?.some(8), 1.0, "")
            try insert.run(3, 9, 0.0, "a\0b \u{1F3AC}")
            try insert.run(4, 9, 0.0, String(long.dropFirst(1)))
            let found = try rows(db)
            #expect(found[0] == ["key": 1, "size": 7, "share": 0.1, "text": "kurz"])
            #expect(found[1] == ["key": 2, "size": 8, "share": 1.0, "text": ""])
            // SQLite's own functions stop at a NUL, but the bytes are there.
            #expect(try Int.fetchOne(db, sql: "SELECT length(CAST(text AS BLOB)) FROM sample WHERE key = 3") == 8)
            #expect(found[3]["text"] == String(long.dropFirst(1)))
            #expect(found[4] == ["key": Int64.max, "size": nil, "share": nil, "text": nil])
        }
    }

    @Test("an error has a message, changes nothing, and the statement stays usable")
    func errors() throws {
        try withTable { db, insert in
            try insert.run(1, 1, 0.5, "first")
            let twice = #expect(throws: DatabaseError.self) { try insert.run(1, 1, 0.5, "second") }
            #expect(twice?.extendedResultCode == .SQLITE_CONSTRAINT_PRIMARYKEY)
            #expect(twice?.message?.contains("sample.key") == true && twice?.sql?.hasPrefix("INSERT") == true)
            let small = #expect(throws: DatabaseError.self) { try insert.run(2, 0, 0.5, "small") }
            #expect(small?.extendedResultCode == .SQLITE_CONSTRAINT_CHECK)
            try insert.run(2, 1, 0.5, "third")
            #expect(try rows(db).map { $0["text"] as String } == ["first", "third"])
        }
    }

    @Test("a wrong number of values is rejected, and values of the last run are never used")
    func count() throws {
        try withTable { db, insert in
            try insert.run(1, 1, 0.5, "first")
            let few = #expect(throws: DatabaseError.self) { try insert.run(2, 1, 0.5) }
            let many = #expect(throws: DatabaseError.self) { try insert.run(2, 1, 0.5, "second", 3) }
            #expect(few?.resultCode == .SQLITE_RANGE && many?.resultCode == .SQLITE_RANGE)
            #expect(try rows(db).count == 1)
        }
    }

    @Test("a statement stays usable after its transaction was rolled back, by us or by SQLite")
    func rollback() throws {
        try withTable { db, insert in
            try db.inTransaction(.immediate) {
                try insert.run(1, 1, 0.5, "taken back")
                return .rollback
            }
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            _ = try Int.fetchOne(db, sql: "PRAGMA max_page_count = \(pages)")
            try db.beginTransaction(.immediate)
            try insert.run(2, 1, 0.5, "also")
            let full = #expect(throws: DatabaseError.self) {
                try insert.run(3, 1, 0.5, String(repeating: "x", count: 100_000))
            }
            #expect(full?.resultCode == .SQLITE_FULL)
            // SQLite has ended the transaction without GRDB.
            #expect(!db.isInsideTransaction)
            _ = try Int.fetchOne(db, sql: "PRAGMA max_page_count = 1000000")
            try db.inTransaction(.immediate) {
                try insert.run(4, 1, 0.5, "kept")
                return .commit
            }
            #expect(try rows(db).map { $0["key"] as Int } == [4])
        }
    }
}
