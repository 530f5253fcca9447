import Glibc

/// Whose the files are to be that root makes in the directory of the daemon's user, who must be able to open them.
///
/// They are given away by descriptor and never by name: behind a name the owner of the directory may have put a link to another file.
package struct FileOwner: Sendable {
    private let user: uid_t
    private let group: gid_t

    /// The owner of a directory; `nil` where there is no such directory, and for all but root, who can give nothing away.
    package init?(ofDirectory directory: String) {
        var status = stat()
        guard geteuid() == 0, stat(directory, &status) == 0 else { return nil }
        (user, group) = (status.st_uid, status.st_gid)
    }

    /// - Throws: what the system says, of the file that the descriptor was opened as.
    func take(_ descriptor: CInt, at path: String) throws(SyncedFile.Failure) {
        guard fchown(descriptor, user, group) == 0 else { throw SyncedFile.Failure(path) }
    }

    /// A directory that this process has made.
    func take(directory path: String) throws(SyncedFile.Failure) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw SyncedFile.Failure(path) }
        defer { close(descriptor) }
        try take(descriptor, at: path)
    }

    /// A lock file that was there already. One with another name is refused, since something else would be given away and written into; one
    /// that holds more than a lock file can stays whose it is.
    func takeLock(_ descriptor: CInt, at path: String) throws(SyncedFile.Failure) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SyncedFile.Failure(path) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1 else { throw SyncedFile.Failure(path, EMLINK) }
        if status.st_size <= Self.lockBytes { try take(descriptor, at: path) }
    }

    /// The text of ``DirectoryLock/Note``.
    private static let lockBytes = 7
}
