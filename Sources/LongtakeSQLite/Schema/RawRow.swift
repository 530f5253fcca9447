import GRDB
import GRDBSQLite

/// A row of a query as SQLite has it, without a box for each value: clients that reconnect request
/// event pages by the thousand. It is valid only within the call that receives it.
struct RawRow {
    fileprivate let statement: OpaquePointer

    func int64(_ column: CInt) -> Int64 { sqlite3_column_int64(statement, column) }

    func bool(_ column: CInt) -> Bool { int64(column) != 0 }

    /// - Throws: ``UnreadableRow`` if the text is not UTF-8, which occurs only in a damaged
    ///   database.
    func checkedText(_ column: CInt) throws -> String {
        guard let start = sqlite3_column_text(statement, column) else { return "" }
        let bytes = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column)))
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw UnreadableRow("a text that is not UTF-8")
        }
        return text
    }

    func isNull(_ column: CInt) -> Bool { sqlite3_column_type(statement, column) == SQLITE_NULL }

    /// `nil` for NULL.
    func double(_ column: CInt) -> Double? { isNull(column) ? nil : sqlite3_column_double(statement, column) }

    /// Empty for NULL.
    func text(_ column: CInt) -> String {
        guard let start = sqlite3_column_text(statement, column) else { return "" }
        return String(
            decoding: UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column))),
            as: UTF8.self)
    }
}

extension Database {
    /// Runs a query with a cached statement and a value for each `?`, until its rows end or `body`
    /// returns `false`.
    /// - Parameter body: returns whether it wants another row.
    /// - Throws: `DatabaseError`, or the error of `body`.
    func forEachRow<each Value: StatementValue>(
        _ sql: String, _ value: repeat each Value, body: (RawRow) throws -> Bool
    ) throws {
        let owner = try cachedStatement(sql: sql)
        let statement = owner.sqliteStatement
        var place: CInt = 0
        for value in repeat each value {
            place += 1
            guard value.bind(to: statement, at: place) == SQLITE_OK else { throw failure(of: owner) }
        }
        guard place == sqlite3_bind_parameter_count(statement) else {
            throw DatabaseError(resultCode: .SQLITE_RANGE, sql: sql)
        }
        // Ends the statement's part in the transaction in every case.
        defer { sqlite3_reset(statement) }
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW:
                guard try body(RawRow(statement: statement)) else { return }
            case SQLITE_DONE: return
            default: throw failure(of: owner)
            }
        }
    }

    private func failure(of statement: Statement) -> DatabaseError {
        guard let connection = sqliteConnection else { return DatabaseError(resultCode: .SQLITE_MISUSE) }
        return DatabaseError(
            resultCode: ResultCode(rawValue: sqlite3_extended_errcode(connection)),
            message: String(cString: sqlite3_errmsg(connection)), sql: statement.sql)
    }
}

/// Numbers of rows that may be damaged. GRDB's own access traps if a column contains another type.
///
/// Neither function is inlined: if the optimizer of Swift 6.3.1 inlines `fromDatabaseValue`, it
/// stops with “Found ownership error”.
extension Row {
    /// A column as a real number; `nil` if it is `NULL` or another type.
    @inline(never)
    func real(_ column: Int) -> Double? {
        let value: DatabaseValue = self[column]
        return Double.fromDatabaseValue(value)
    }

    /// A column as an integer; `nil` if it is `NULL` or another type.
    @inline(never)
    func whole(_ column: Int) -> Int64? {
        let value: DatabaseValue = self[column]
        return Int64.fromDatabaseValue(value)
    }

    /// Whether a column is `NULL`.
    @inline(never)
    func isNull(_ column: Int) -> Bool {
        let value: DatabaseValue = self[column]
        return value.isNull
    }
}
