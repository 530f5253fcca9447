import FoundationEssentials
import Glibc

/// The first 100 bytes of a database file (sqlite.org/fileformat2.html §1.3), read before SQLite may change a byte of it.
struct FileHeader {
    /// Whether changes go to a write-ahead log first, as they do from the first start on; in a backup they do not.
    let isInWALMode: Bool

    /// `nil` for an empty file.
    /// - Throws: ``StorageRefusal`` where it cannot be read, or is not a database of ours.
    init?(of path: String) throws(StorageRefusal) {
        let bytes = try Self.read(path)
        if bytes.isEmpty { return nil }
        guard bytes.count == 100, bytes.starts(with: Array("SQLite format 3\0".utf8)) else {
            throw StorageRefusal(
                "\(path) is no SQLite database, or a damaged one. Restore a backup (longtake restore), or move it away."
            )
        }
        let id = bytes[68..<72].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard id == UInt32(bitPattern: Schema.applicationID) else {
            throw StorageRefusal(
                "\(path) belongs to another program (application_id \(id)). Use another directory, or move it away.")
        }
        isInWALMode = bytes[18] == 2
    }

    /// Fewer than 100 bytes of a shorter file.
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
                "cannot read \(path): \(String(cString: strerror(errno))). Look after the disk, or restore a backup (longtake restore)."
            )
        }
        return Array(bytes.prefix(length))
    }
}
