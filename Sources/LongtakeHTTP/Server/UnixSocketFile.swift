import Glibc

/// The file of a Unix socket that this process listens on.
///
/// The kernel does not remove such a file when its process ends. So a start must distinguish a
/// stale file from one in use, and a shutdown must only remove its own file.
///
///     daemon A                          daemon B, with the same path
///     lock the directory
///     connect: refused, so it is stale
///                                       lock the directory: waits
///     unlink, bind, chmod, listen
///     unlock
///                                       connect: A accepts, so B does not start
///
/// Without the lock, B could find the same stale file and then unlink the new file of A.
public struct UnixSocketFile: Sendable {
    /// The longest path in bytes. `sun_path` has 108 bytes, and the last one is zero (unix(7)).
    public static let longestPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    private let path: String
    private let identity: Identity

    private struct Identity: Hashable, Sendable {
        let device: dev_t
        let inode: ino_t

        init(_ status: stat) { (device, inode) = (status.st_dev, status.st_ino) }
    }

    /// Creates the file and listens on it. The file gets exactly these permissions, whatever the
    /// umask is. Blocks its thread for up to two seconds.
    ///
    /// Listening is the last step. Until then connect(2) fails, so no client can use the file
    /// before its permissions are final.
    /// - Parameter group: the group of the file; `nil` for the default group.
    /// - Returns: the descriptor, which the caller closes, and the file.
    static func listen(
        at path: String, mode: mode_t, group: gid_t?, backlog: CInt
    ) throws(ListenFailure) -> (descriptor: CInt, file: UnixSocketFile) {
        let lock = DirectoryLock(directory(of: path))
        defer { lock.release() }
        try removeStale(path)
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .unix(path, errno) }
        do throws(ListenFailure) {
            guard withAddress(of: path, { bind(descriptor, $0, $1) }) == 0 else { throw .unix(path, errno) }
            let file = try UnixSocketFile(path, mode: mode, group: group)
            guard Glibc.listen(descriptor, backlog) == 0 else {
                let code = errno
                file.remove()
                throw .unix(path, code)
            }
            return (descriptor, file)
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Takes ownership of a file that bind(2) has just created.
    private init(_ path: String, mode: mode_t, group: gid_t?) throws(ListenFailure) {
        self.path = path
        // Uses a descriptor, because someone with write access to the directory could replace the
        // file by a link.
        let descriptor = open(path, Self.pathOnly | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unix(path, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { throw .unix(path, EEXIST) }
        identity = Identity(status)
        // fchmod(2) and fchown(2) refuse an O_PATH descriptor (open(2)). Its name in /proc is the
        // same file.
        let name = "/proc/self/fd/\(descriptor)"
        if let group, group != status.st_gid, chown(name, uid_t.max, group) != 0 {
            let code = errno
            remove()
            throw ListenFailure(
                .unixSocketGroup,
                "The daemon may not give the Unix socket \(path) to the group of http.unix_socket_group: \(String(cString: strerror(code))). Make the daemon's user a member of that group (systemd: SupplementaryGroups=), or choose another group.",
                code: code)
        }
        guard chmod(name, mode) == 0 else {
            let code = errno
            remove()
            throw .unix(path, code)
        }
    }

    /// `O_PATH`, which glibc only declares if `_GNU_SOURCE` is defined.
    private static let pathOnly: CInt = 0o10_000_000

    /// Removes the file if it is still the one that this process has created.
    ///
    /// Must be called before the socket closes. While the socket is open, the system does not reuse
    /// the inode number, and no other daemon considers the file stale.
    func remove() {
        var status = stat()
        if lstat(path, &status) == 0, Identity(status) == identity { unlink(path) }
    }

    /// Removes the file of a socket on which no process listens.
    /// - Throws: ``ListenFailure`` if a process listens, if that is unknown, or if the file is not
    ///   a socket.
    private static func removeStale(_ path: String) throws(ListenFailure) {
        var status = stat()
        // If this call fails for another reason than a missing file, bind(2) fails too and reports
        // it.
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            let kind = status.st_mode & S_IFMT == S_IFDIR ? "a directory" : "a file that is not a socket"
            throw ListenFailure(
                .unixSocket,
                "\(path) is \(kind), so the daemon does not replace it. Remove it, or choose another path with --unix-socket.",
                code: EADDRINUSE)
        }
        switch connectError(path) {
        case ECONNREFUSED:
            guard unlink(path) == 0 || errno == ENOENT else {
                let reason = String(cString: strerror(errno))
                throw ListenFailure(
                    .unixSocket,
                    "The daemon may not remove the Unix socket \(path), which no program uses: \(reason). Remove it, or choose another path with --unix-socket."
                )
            }
        case ENOENT:
            return
        case 0, EAGAIN, EINPROGRESS, EPROTOTYPE:
            throw ListenFailure(
                .unixSocket,
                "Another program listens on the Unix socket \(path). Stop it, or choose another path with --unix-socket.",
                code: EADDRINUSE)
        case let code:
            throw ListenFailure(
                .unixSocket,
                "The daemon cannot tell whether another program listens on the Unix socket \(path): \(String(cString: strerror(code))). Remove it if none does, or choose another path with --unix-socket.",
                code: code)
        }
    }

    /// The result of a non-blocking connect(2): 0 or `EAGAIN` (a full backlog) if a process
    /// listens, `ECONNREFUSED` if none does.
    private static func connectError(_ path: String) -> CInt {
        let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        return withAddress(of: path) { connect(descriptor, $0, $1) } == 0 ? 0 : errno
    }

    /// - Parameter body: gets the address and its length, and returns the result of a system call.
    private static func withAddress(
        of path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count <= longestPath else {
            errno = ENAMETOOLONG
            return -1
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
    }

    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

/// A lock on a directory, which makes daemons check the sockets in it one after the other.
///
/// If the lock is not available, the start continues without it. It only matters if two daemons
/// start at the same moment.
private struct DirectoryLock {
    private let descriptor: CInt

    private static let timeout = Duration.seconds(2)

    init(_ directory: String) {
        descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        let deadline = ContinuousClock.now + Self.timeout
        while descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) != 0, .now < deadline { poll(nil, 0, 10) }
    }

    func release() {
        if descriptor >= 0 { close(descriptor) }
    }
}
