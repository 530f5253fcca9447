import GRDB
import Glibc

/// Why the storage was not opened: a sentence for the operator that says what is wrong and what to
/// do.
public struct StorageRefusal: Error, Hashable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }

    /// Why a directory cannot be created or is not a directory.
    /// - Parameter path: the requested directory. `failure` may concern a directory above it.
    init(directory path: String, failed failure: SyncedFile.Failure, remedy: String) {
        if failure.code == ENOTDIR {
            self.init(
                failure.path == path && access(path, F_OK) == 0
                    ? "\(path) is a file, and the data needs a directory. \(remedy)"
                    : "cannot create the directory \(path), since a part of its path is a file. \(remedy)")
        } else {
            self.init("cannot create the directory \(path): \(failure.reason). \(remedy)")
        }
    }

    /// Explains an error of SQLite to the operator (sqlite.org/rescode.html).
    init(reading path: String, failed error: DatabaseError) {
        let text = error.message ?? "\(error.resultCode)"
        switch error.resultCode {
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            self.init(
                "\(path) is damaged (\(text)). Keep a copy of its directory, then restore a backup (longtake restore).")
        case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
            self.init(
                "\(path) cannot be opened for writing (\(text)). Give the daemon a directory and files that it may write to, on a file system that is not mounted read-only."
            )
        case .SQLITE_FULL:
            self.init("\(path) cannot be opened because the disk is full (\(text)). Free some space on it.")
        case .SQLITE_IOERR:
            self.init("\(path) cannot be read or written (\(text)). Check the disk, then start again.")
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            self.init("\(path) is in use by another program (\(text)). Stop that program, then start again.")
        default:
            self.init(
                "\(path) cannot be used (\(text)). It may be damaged: restore a backup (longtake restore), or move it away."
            )
        }
    }
}
