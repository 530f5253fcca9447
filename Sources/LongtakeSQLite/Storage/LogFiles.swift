import FoundationEssentials
import Glibc

/// The write-ahead log and its index, which stand beside a database file that was not closed (sqlite.org/walformat.html §1).
struct LogFiles: Sendable {
    let wal, index: String
    /// Which of them were there when this value was made.
    private let known: Set<String>

    init(of database: String) {
        wal = database + "-wal"
        index = database + "-shm"
        known = Set([wal, index].filter { FileManager.default.fileExists(atPath: $0) })
    }

    /// 0 where there is none.
    var walBytes: Int64 {
        var information = stat()
        return stat(wal, &information) == 0 ? Int64(information.st_size) : 0
    }

    /// Makes a log that is empty or missing one byte long, without taking a block of the disk.
    ///
    /// GRDB writes to a database whose log is empty when it opens it, which a full disk refuses. SQLite takes what is shorter than the log's
    /// header for an empty log (sqlite.org/walformat.html §2.1).
    func standIn() {
        guard walBytes == 0 else { return }
        let descriptor = open(wal, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        ftruncate(descriptor, 1)
        close(descriptor)
    }

    /// Removes what a connection that only read has made and left: an empty log and its index.
    func removeNew() {
        guard walBytes == 0 || known.contains(wal) else { return }
        for path in [wal, index] where !known.contains(path) { unlink(path) }
    }

    /// Removes both, whatever is in them.
    func removeAll() {
        for path in [wal, index] { unlink(path) }
    }
}
