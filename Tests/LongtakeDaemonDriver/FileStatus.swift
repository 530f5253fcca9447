import Glibc

/// What stat(2) says of a file, without following a link.
///
/// A value of its own, because `stat` belongs to another module in files that also see Dispatch.
public struct FileStatus: Hashable, Sendable {
    /// The type and the permissions.
    public let mode: UInt32
    public let group: UInt32
    public let inode: UInt64
    public let bytes: Int64

    /// - Returns: `nil` if there is no such file.
    public init?(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        mode = status.st_mode
        group = status.st_gid
        inode = UInt64(status.st_ino)
        bytes = Int64(status.st_size)
    }
}
