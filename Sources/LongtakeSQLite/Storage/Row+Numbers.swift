import GRDB

/// Numbers of rows that may be damaged. GRDB's own access traps where a column holds anything else.
///
/// Neither function is inlined: where the optimiser of Swift 6.3.1 inlines `fromDatabaseValue`, it ends with “Found ownership error”.
extension Row {
    /// A column as a real number; `nil` if it is `NULL` or anything else.
    @inline(never)
    func real(_ column: Int) -> Double? {
        let value: DatabaseValue = self[column]
        return Double.fromDatabaseValue(value)
    }

    /// A column as a whole number; `nil` if it is `NULL` or anything else.
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
