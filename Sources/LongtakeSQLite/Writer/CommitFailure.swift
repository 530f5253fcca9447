import GRDB
import GRDBSQLite
import Glibc

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

    /// The error, or `SQLITE_FULL` where that is what it means: SQLite says so for `ENOSPC` from a write alone, and calls a quota that is
    /// used up (`EDQUOT`) an I/O error. Such a write has left nothing, as one without room. A sync that says so is something else: what
    /// it was to make last may be there.
    /// - Parameters:
    ///   - db: the connection that the error came from, which has done nothing since.
    ///   - nobodyIsTold: whether it may stay unknown if it has happened, since nobody waits for it and it can be done again.
    static func naming(_ error: any Error, on db: Database, nobodyIsTold: Bool = false) -> any Error {
        guard let failure = error as? DatabaseError else { return error }
        let isWrite = failure.extendedResultCode == .SQLITE_IOERR_WRITE
        guard isWrite || nobodyIsTold && failure.extendedResultCode == .SQLITE_IOERR_FSYNC else { return error }
        let code = lastError(ofLog: db)
        guard code == EDQUOT || nobodyIsTold && code == ENOSPC else { return error }
        return DatabaseError(resultCode: .SQLITE_FULL, message: String(cString: strerror(code)))
    }

    /// What the system said when a write to the log, or a sync of it, last failed. `sqlite3_system_errno` does not know of COMMIT in SQLite 3.40.
    private static func lastError(ofLog db: Database) -> CInt {
        var log: UnsafeMutablePointer<sqlite3_file>?
        var code: CInt = 0
        guard sqlite3_file_control(db.sqliteConnection, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK,
            let log, let methods = log.pointee.pMethods,
            methods.pointee.xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &code) == SQLITE_OK
        else { return 0 }
        return code
    }

    /// What it is in a few words, without SQL or a path.
    static func reason(_ error: any Error) -> String {
        guard let error = error as? DatabaseError else { return "\(error)" }
        return error.message ?? "\(error.resultCode)"
    }
}
