import GRDB

/// What an error of the database says about the transaction that met it.
enum CommitFailure {
    /// After a full disk or a lock, COMMIT has left the transaction open or rolled it back. After anything else it may be on the disk.
    ///
    /// So it is even for an error of a write, and not of the sync: COMMIT appends its frames to the log, the one that commits last, and a
    /// disk that says it failed to write that one may have written it. A short write, which is what a full disk answers, leaves a frame
    /// whose checksum is wrong (sqlite.org/walformat.html §2), so there it is known.
    static func outcomeIsKnown(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError else { return false }
        return [.SQLITE_FULL, .SQLITE_BUSY, .SQLITE_CONSTRAINT].contains(error.resultCode)
    }

    /// Whether there was no room on the disk.
    static func isFull(_ error: any Error) -> Bool { (error as? DatabaseError)?.resultCode == .SQLITE_FULL }

    /// Whether trying again later may succeed.
    static func mayPass(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError else { return false }
        return [.SQLITE_FULL, .SQLITE_IOERR, .SQLITE_BUSY, .SQLITE_CANTOPEN].contains(error.resultCode)
    }
}
