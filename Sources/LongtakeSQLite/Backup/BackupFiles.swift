import FoundationEssentials
import Glibc
import LongtakeCore

/// What the directory of the backups is reached with. Every call may last as long as its disk hangs.
protocol BackupFiles: Sendable {
    /// Makes the directory, if there is none.
    func makeDirectory(_ path: String) throws

    /// None if there is no such directory.
    func names(in directory: String) -> [String]

    /// `nil` if there is no such file.
    func status(of path: String) -> (bytes: Int64, changedAt: Timestamp)?

    func remove(_ path: String)
}

/// The system's own calls.
struct DiskFiles: BackupFiles {
    func makeDirectory(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    func names(in directory: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    }

    func status(of path: String) -> (bytes: Int64, changedAt: Timestamp)? {
        var information = stat()
        guard stat(path, &information) == 0 else { return nil }
        let time = information.st_mtim
        return (
            Int64(information.st_size),
            Timestamp(millisecondsSince1970: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
        )
    }

    func remove(_ path: String) { unlink(path) }
}
