import Glibc

/// What makes the bytes and the names of files survive a power cut.
package enum SyncedFile {
    /// A system call that failed, with the file it was about.
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

    /// Makes an empty file that only this user may read.
    static func make(_ path: String) throws(Failure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(path) }
        close(descriptor)
    }

    /// Opens a file that is there to be locked, made where it is missing.
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

    /// Makes a file with these bytes that only its owner may read, and waits until they are on the disk. The name must be free.
    /// - Parameter owner: to whom it is given; where there is none it is this user's.
    package static func make(_ path: String, holding bytes: [UInt8], for owner: FileOwner?) throws(Failure) {
        // Never through a link that somebody has put there: root may be writing.
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

    /// Waits until the file, or the names in the directory, are on the disk.
    static func sync(_ path: String) throws(Failure) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Failure(path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw Failure(path) }
    }

    /// Gives a file another name, whatever had it, and waits until that is on the disk. Both in one directory.
    package static func rename(_ path: String, to name: String) throws(Failure) {
        guard Glibc.rename(path, name) == 0 else { throw Failure(name) }
        try sync(directory(of: name))
    }

    /// Copies a file into a new one, and waits until it is on the disk.
    /// - Parameter owner: to whom that is given; where there is none it is this user's.
    static func copy(_ source: String, to path: String, for owner: FileOwner?) throws(Failure) {
        let input = open(source, O_RDONLY | O_CLOEXEC)
        guard input >= 0 else { throw Failure(source) }
        defer { close(input) }
        // Never through a link that somebody has put there: root may be copying.
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

    /// Makes a directory and those above it that are missing, for this user only. Does nothing if it is there.
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

    /// Takes every right from others than the owner of a file. Does nothing if the file is not there, or if the name is a link.
    /// - Throws: if it belongs to another user.
    static func makePrivate(_ path: String) throws(Failure) {
        // `O_NONBLOCK`, so that nothing behind the name can hold up the start.
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

    /// 0 where there is none.
    static func bytes(of path: String) -> Int64 {
        var information = stat()
        return stat(path, &information) == 0 ? Int64(information.st_size) : 0
    }

    /// What is free for this user on the file system of a directory.
    static func freeBytes(in directory: String) -> Int64 {
        var information = statvfs()
        return statvfs(directory, &information) == 0 ? Int64(information.f_bavail) * Int64(information.f_frsize) : 0
    }
}
