import GRDB
import GRDBSQLite
import Glibc
import LongtakeStorage

/// What an error of SQLite says about the transaction in which it occurred.
enum CommitFailure {
    /// If the disk is full or a lock is held, COMMIT leaves the transaction open or rolls it back.
    /// After any other error the transaction may be durable.
    ///
    /// This includes errors of a write and not only of the sync. COMMIT appends frames to the WAL,
    /// the committing frame last, and a disk may have written that one although it reports an
    /// error. A full disk answers with a short write, which leaves a frame with a wrong checksum
    /// (sqlite.org/walformat.html §2). So then the outcome is known.
    static func outcomeIsKnown(_ error: any Error) -> Bool {
        guard let error = error as? DatabaseError else { return false }
        return [.SQLITE_FULL, .SQLITE_BUSY, .SQLITE_CONSTRAINT].contains(error.resultCode)
    }

    static func isFull(_ error: any Error) -> Bool { (error as? DatabaseError)?.resultCode == .SQLITE_FULL }

    /// The error for the ``CommitPolicy``.
    static func failure(_ error: any Error) -> TransactionFailure {
        if isFull(error) { return TransactionFailure(.noSpace, reason(error)) }
        let isTransient = [.SQLITE_IOERR, .SQLITE_BUSY, .SQLITE_CANTOPEN]
            .contains((error as? DatabaseError)?.resultCode)
        return TransactionFailure(isTransient ? .transient : .permanent, reason(error))
    }

    /// The error, or `SQLITE_FULL` if that is its cause.
    ///
    /// SQLite reports `SQLITE_FULL` only for `ENOSPC` from a write. It reports an exhausted quota
    /// (`EDQUOT`) as an I/O error. Such a write has written nothing, just as on a full disk. A sync
    /// with this error is different: its data may be durable.
    /// - Parameters:
    ///   - db: the connection of the error, unused since then.
    ///   - mayRepeat: whether the transaction may be repeated although it may be durable: no caller
    ///     waits for it.
    static func naming(_ error: any Error, on db: Database, mayRepeat: Bool = false) -> any Error {
        guard let failure = error as? DatabaseError else { return error }
        let isWrite = failure.extendedResultCode == .SQLITE_IOERR_WRITE
        guard isWrite || mayRepeat && failure.extendedResultCode == .SQLITE_IOERR_FSYNC else { return error }
        let code = lastWALError(db)
        guard code == EDQUOT || mayRepeat && code == ENOSPC else { return error }
        return DatabaseError(resultCode: .SQLITE_FULL, message: String(cString: strerror(code)))
    }

    /// The `errno` of the last failed write or sync of the WAL. In SQLite 3.40,
    /// `sqlite3_system_errno` does not cover COMMIT.
    private static func lastWALError(_ db: Database) -> CInt {
        var wal: UnsafeMutablePointer<sqlite3_file>?
        var code: CInt = 0
        guard sqlite3_file_control(db.sqliteConnection, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) == SQLITE_OK,
            let wal, let methods = wal.pointee.pMethods,
            methods.pointee.xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &code) == SQLITE_OK
        else { return 0 }
        return code
    }

    /// A few words without SQL and without a path.
    static func reason(_ error: any Error) -> String {
        guard let error = error as? DatabaseError else { return "\(error)" }
        return error.message ?? "\(error.resultCode)"
    }
}
