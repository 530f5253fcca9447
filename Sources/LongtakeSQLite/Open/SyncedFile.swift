import Glibc

/// File operations whose result survives a power cut.
package enum SyncedFile {
    /// A system call that failed, with the path of its file.
    package struct Failure: Error, CustomStringConvertible {
        let path: String
        let code: CInt

        package init(_ path: String, _ code: CInt = errno) {
            self.path = path
            self.code = code
        }

        var reason: String { String(cString: strerror(code)) }
        package var description: String { "\(path): \(reason)" }
    }

    /// Creates an empty file that only this user may read.
    static func make(_ path: String) throws(Failure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(path) }
        close(descriptor)
    }

    /// Opens a lock file, and creates it if it is missing.
    /// - Returns: its descriptor, which the caller closes.
    package static func openLock(_ path: String, for owner: FileOwner?) throws(Failure) -> CInt {
        let new = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        let descriptor = new >= 0 || errno != EEXIST ? new : open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw Failure(path) }
        do throws(Failure) {
            if new >= 0 { try owner?.take(new, at: path) } else { try owner?.takeLock(descriptor, at: path) }
        } catch {
            close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Creates a file with these bytes that only its owner may read, and syncs it. The name must be
    /// free.
    /// - Parameter owner: the owner of the file; `nil` for this user.
    package static func make(_ path: String, holding bytes: [UInt8], for owner: FileOwner?) throws(Failure) {
        // Never follow a link that another user may have created: root may be writing.
        let output = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard output >= 0 else { throw Failure(path) }
        defer { close(output) }
        try owner?.take(output, at: path)
        var written = 0
        while written < bytes.count {
            let more = bytes.withUnsafeBytes { write(output, $0.baseAddress! + written, bytes.count - written) }
            guard more > 0 else { throw Failure(path) }
            written += more
        }
        guard fsync(output) == 0 else { throw Failure(path) }
    }

    /// Syncs a file, or the names in a directory.
    static func sync(_ path: String) throws(Failure) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw Failure(path) }
    }

    /// Renames a file, replaces any file with the new name, and syncs the directory. Both names are
    /// in one directory.
    package static func rename(_ path: String, to name: String) throws(Failure) {
        guard Glibc.rename(path, name) == 0 else { throw Failure(name) }
        try sync(directory(of: name))
    }

    /// Copies a file into a new one, and syncs it.
    /// - Parameter owner: the owner of the copy; `nil` for this user.
    static func copy(_ source: String, to path: String, for owner: FileOwner?) throws(Failure) {
        let input = open(source, O_RDONLY | O_CLOEXEC)
        guard input >= 0 else { throw Failure(source) }
        defer { close(input) }
        // Never follow a link that another user may have created: root may be copying.
        unlink(path)
        let output = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard output >= 0 else { throw Failure(path) }
        defer { close(output) }
        try owner?.take(output, at: path)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = read(input, &buffer, buffer.count)
            guard count >= 0 else { throw Failure(source) }
            if count == 0 { break }
            var written = 0
            while written < count {
                let more = buffer.withUnsafeBytes { write(output, $0.baseAddress! + written, count - written) }
                guard more > 0 else { throw Failure(path) }
                written += more
            }
        }
        guard fsync(output) == 0 else { throw Failure(path) }
    }

    /// Creates a directory and missing directories above it, for this user only. Does nothing if it
    /// exists.
    static func makeDirectory(_ path: String) throws(Failure) {
        var status = stat()
        if stat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFDIR else { throw Failure(path, ENOTDIR) }
            return
        }
        if mkdir(path, 0o700) == 0 { return }
        let above = directory(of: path)
        guard errno == ENOENT, above != path, above != "." else { throw Failure(path) }
        try makeDirectory(above)
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw Failure(path) }
    }

    /// Removes all rights of other users from a file. Does nothing if the file does not exist or
    /// the name is a link.
    /// - Throws: if the file belongs to another user.
    static func makePrivate(_ path: String) throws(Failure) {
        // `O_NONBLOCK`, so that a device or a pipe cannot block the start.
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o177 != 0 else {
            return
        }
        guard fchmod(descriptor, status.st_mode & 0o600) == 0 else { throw Failure(path) }
    }

    package static func directory(of path: String) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        return parts.isEmpty ? "." : parts == [""] ? "/" : parts.joined(separator: "/")
    }

    /// 0 if there is no file.
    static func bytes(of path: String) -> Int64 {
        var information = stat()
        return stat(path, &information) == 0 ? Int64(information.st_size) : 0
    }

    /// The bytes that are free for this user on the file system of a directory.
    static func freeBytes(in directory: String) -> Int64 {
        var information = statvfs()
        return statvfs(directory, &information) == 0 ? Int64(information.f_bavail) * Int64(information.f_frsize) : 0
    }
}

/// The user who owns files that root creates in the directory of the daemon's user. That user must
/// be able to open them.
///
/// Ownership changes by descriptor, never by name: the owner of the directory may have put a link
/// to another file behind a name.
package struct FileOwner: Sendable {
    private let user: uid_t
    private let group: gid_t

    /// The owner of a directory; `nil` if there is no such directory, or if this process is not
    /// root and so cannot change owners.
    package init?(ofDirectory directory: String) {
        var status = stat()
        guard geteuid() == 0, stat(directory, &status) == 0 else { return nil }
        (user, group) = (status.st_uid, status.st_gid)
    }

    /// - Throws: the failed system call, with the path of the descriptor.
    func take(_ descriptor: CInt, at path: String) throws(SyncedFile.Failure) {
        guard fchown(descriptor, user, group) == 0 else { throw SyncedFile.Failure(path) }
    }

    /// Changes the owner of a directory that this process has created.
    func take(directory path: String) throws(SyncedFile.Failure) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw SyncedFile.Failure(path) }
        defer { close(descriptor) }
        try take(descriptor, at: path)
    }

    /// Changes the owner of an existing lock file. A file with a second name is refused: the change
    /// would apply to that file too. A file that is longer than a lock file keeps its owner.
    func takeLock(_ descriptor: CInt, at path: String) throws(SyncedFile.Failure) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SyncedFile.Failure(path) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1 else { throw SyncedFile.Failure(path, EMLINK) }
        if status.st_size <= Self.lockBytes { try take(descriptor, at: path) }
    }

    /// The length of a ``DirectoryLock/Note``.
    private static let lockBytes = 7
}
