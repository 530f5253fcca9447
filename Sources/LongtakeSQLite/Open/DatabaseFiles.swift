import FoundationEssentials
import Glibc

/// The first 100 bytes of a database file (sqlite.org/fileformat2.html §1.3), read before SQLite
/// can change a byte of it.
struct FileHeader {
    /// Whether the database uses a WAL: after its first start, and not in a backup.
    let isInWALMode: Bool

    /// `nil` if the file is empty.
    /// - Throws: ``StorageRefusal`` if the file cannot be read or is not a Longtake database.
    init?(of path: String) throws(StorageRefusal) {
        let bytes = try Self.read(path)
        if bytes.isEmpty { return nil }
        guard bytes.count == 100, bytes.starts(with: Array("SQLite format 3\0".utf8)) else {
            throw StorageRefusal(
                "\(path) is not a SQLite database, or it is damaged. Restore a backup (longtake restore), or move it away."
            )
        }
        let id = bytes[68..<72].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard id == UInt32(bitPattern: Schema.applicationID) else {
            throw StorageRefusal(
                "\(path) belongs to another program (application_id \(id)). Use another directory, or move it away.")
        }
        isInWALMode = bytes[18] == 2
    }

    /// Fewer than 100 bytes if the file is shorter.
    private static func read(_ path: String) throws(StorageRefusal) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw StorageRefusal(
                "cannot read \(path): \(String(cString: strerror(errno))). Make it readable and writable for the user of the daemon."
            )
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 100)
        let length = Glibc.read(descriptor, &bytes, bytes.count)
        guard length >= 0 else {
            throw StorageRefusal(
                "cannot read \(path): \(String(cString: strerror(errno))). Check the disk, or restore a backup (longtake restore)."
            )
        }
        return Array(bytes.prefix(length))
    }
}

/// The WAL and its index. They exist beside a database file that was not closed
/// (sqlite.org/walformat.html §1).
struct WALFiles: Sendable {
    let wal, index: String
    /// Those that existed when this value was made.
    private let known: Set<String>

    init(of database: String) {
        wal = database + "-wal"
        index = database + "-shm"
        known = Set([wal, index].filter { FileManager.default.fileExists(atPath: $0) })
    }

    /// 0 if there is no WAL.
    var walBytes: Int64 {
        var information = stat()
        return stat(wal, &information) == 0 ? Int64(information.st_size) : 0
    }

    /// Makes an empty or missing WAL one byte long, which takes no block on the disk.
    ///
    /// When GRDB opens a database whose WAL is empty, it writes to the database, and a full disk
    /// rejects that. SQLite treats a file that is shorter than a WAL header as an empty WAL
    /// (sqlite.org/walformat.html §2.1).
    func fillEmptyWAL() {
        guard walBytes == 0 else { return }
        let descriptor = open(wal, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        ftruncate(descriptor, 1)
        close(descriptor)
    }

    /// Removes an empty WAL and the index that a read-only connection has created.
    func removeCreated() {
        guard walBytes == 0 || known.contains(wal) else { return }
        for path in [wal, index] where !known.contains(path) { unlink(path) }
    }

    /// Removes both files with their content.
    func removeAll() {
        for path in [wal, index] { unlink(path) }
    }
}
