package import GRDB
import GRDBSQLite

/// A statement that is compiled once and binds values without boxing them, so that a row costs
/// little more than SQLite itself.
///
/// It belongs to one connection, is used on that connection's queue only, and must be released
/// before the connection is closed.
package final class PreparedStatement {
    /// GRDB compiles and finalizes it; this type runs it.
    private let owner: Statement
    private let statement: OpaquePointer
    private let connection: OpaquePointer
    private let places: CInt

    /// - Throws: `DatabaseError`.
    package init(_ sql: String, _ db: Database) throws {
        guard let connection = db.sqliteConnection else { throw DatabaseError(resultCode: .SQLITE_MISUSE) }
        owner = try db.makeStatement(sql: sql)
        statement = owner.sqliteStatement
        self.connection = connection
        places = sqlite3_bind_parameter_count(statement)
    }

    /// Runs the statement, which returns no rows, with a value for each `?` in order.
    /// - Throws: `DatabaseError`. Then nothing has changed, and the statement can be run again.
    package func run<each Value: StatementValue>(_ value: repeat each Value) throws {
        var place: CInt = 0
        for value in repeat each value {
            place += 1
            guard value.bind(to: statement, at: place) == SQLITE_OK else { throw failure() }
        }
        // SQLite would use the values of the last run for missing ones.
        guard place == places else { throw DatabaseError(resultCode: .SQLITE_RANGE, sql: owner.sql) }
        // The reset repeats the error of the step. In both cases it ends the statement's part in
        // the transaction.
        defer { sqlite3_reset(statement) }
        guard sqlite3_step(statement) == SQLITE_DONE else { throw failure() }
    }

    private func failure() -> DatabaseError {
        DatabaseError(
            resultCode: ResultCode(rawValue: sqlite3_extended_errcode(connection)),
            message: String(cString: sqlite3_errmsg(connection)), sql: owner.sql)
    }
}

/// A value of one of SQLite's types.
package protocol StatementValue {
    /// - Returns: a result code of SQLite.
    func bind(to statement: OpaquePointer, at place: CInt) -> CInt
}

extension Int64: StatementValue {
    package func bind(to statement: OpaquePointer, at place: CInt) -> CInt {
        sqlite3_bind_int64(statement, place, self)
    }
}

extension Int: StatementValue {
    package func bind(to statement: OpaquePointer, at place: CInt) -> CInt {
        sqlite3_bind_int64(statement, place, Int64(self))
    }
}

extension Double: StatementValue {
    package func bind(to statement: OpaquePointer, at place: CInt) -> CInt {
        sqlite3_bind_double(statement, place, self)
    }
}

extension String: StatementValue {
    package func bind(to statement: OpaquePointer, at place: CInt) -> CInt {
        var text = self
        return text.withUTF8 { bytes in
            // SQLITE_TRANSIENT, a cast that Swift does not import: SQLite copies the bytes, because
            // they are valid only during this call.
            let copy = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
            guard let first = bytes.baseAddress else { return sqlite3_bind_text(statement, place, "", 0, copy) }
            return first.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
                sqlite3_bind_text(statement, place, $0, CInt(bytes.count), copy)
            }
        }
    }
}

extension Optional: StatementValue where Wrapped: StatementValue {
    package func bind(to statement: OpaquePointer, at place: CInt) -> CInt {
        guard let self else { return sqlite3_bind_null(statement, place) }
        return self.bind(to: statement, at: place)
    }
}
