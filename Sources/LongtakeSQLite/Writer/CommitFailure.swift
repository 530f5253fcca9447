import GRDB

/// What an error of the database says about the transaction that met it.
enum CommitFailure {
    /// After a full disk or a lock, COMMIT has left the transaction open or rolled it back. After anything else it may be on the disk.
    static func outcomeIsKnown(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError else { return false }
        return [.SQLITE_FULL, .SQLITE_BUSY, .SQLITE_CONSTRAINT].contains(error.resultCode)
    }

    /// Whether trying again later may succeed.
    static func mayPass(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError else { return false }
        return [.SQLITE_FULL, .SQLITE_IOERR, .SQLITE_BUSY, .SQLITE_CANTOPEN].contains(error.resultCode)
    }
}
