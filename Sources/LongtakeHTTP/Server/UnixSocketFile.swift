import Glibc

/// The file of a Unix socket that this process listens on.
///
/// The kernel removes such a file neither when its process ends nor when another process wants its path. So a start has to tell a file that is
/// left over from one that is in use, and a stop has to remove its own file only.
///
///     daemon A                          daemon B, with the same path
///     lock the directory
///     connect: refused, so it is stale
///                                       lock the directory: waits
///     unlink, bind, chmod, listen
///     unlock
///                                       connect: A answers, so B does not start
///
/// Without the lock, B could find the same stale file, and then unlink the one that A has made meanwhile.
public struct UnixSocketFile: Sendable {
    /// In bytes: `sun_path` holds 108, of which the last is zero (unix(7)).
    public static let longestPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    private let path: String
    private let identity: Identity

    private struct Identity: Hashable, Sendable {
        let device: dev_t
        let inode: ino_t

        init(_ status: stat) { (device, inode) = (status.st_dev, status.st_ino) }
    }

    /// Creates the file, with exactly these permissions whatever the umask is, and listens on it. Blocks its thread for up to two seconds.
    ///
    /// The socket begins to listen last: until then connect(2) fails, so nobody can use permissions that are not final.
    /// - Parameter group: that the file gets; `nil` for the group that the system gives it.
    /// - Returns: the descriptor, which the caller closes, and the file.
    static func listen(
        at path: String, mode: mode_t, group: gid_t?, backlog: CInt
    ) throws(ListenFailure) -> (descriptor: CInt, file: UnixSocketFile) {
        let lock = DirectoryHold(directory(of: path))
        defer { lock.end() }
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

    /// Takes over a file that bind(2) has just made.
    private init(_ path: String, mode: mode_t, group: gid_t?) throws(ListenFailure) {
        self.path = path
        // By descriptor, since somebody who may write to the directory could put a link to another file behind the name.
        let descriptor = open(path, Self.pathOnly | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unix(path, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { throw .unix(path, EEXIST) }
        identity = Identity(status)
        // The system calls that take a descriptor refuse one of this kind (open(2), O_PATH); its name in /proc leads to the same file.
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

    /// `O_PATH`, which glibc shows only to programs that define `_GNU_SOURCE`.
    private static let pathOnly: CInt = 0o10_000_000

    /// Removes the file if it is still the one that this process made. To be called before the socket is closed: as long as it is open, its inode
    /// number is not given to another file, and no other daemon takes the file for a stale one.
    func remove() {
        var status = stat()
        if lstat(path, &status) == 0, Identity(status) == identity { unlink(path) }
    }

    /// Removes a socket that nobody listens on.
    /// - Throws: if somebody does, if that cannot be known, or if something else has the path.
    private static func removeStale(_ path: String) throws(ListenFailure) {
        var status = stat()
        // What keeps this call from looking keeps bind(2) from making the file, and that says why.
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
                    "The daemon may not remove the Unix socket \(path), which nobody listens on: \(reason). Remove it, or choose another path with --unix-socket."
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

    /// What connect(2) says without waiting: 0 or `EAGAIN` (a full backlog) if somebody listens, `ECONNREFUSED` if nobody does.
    private static func connectError(_ path: String) -> CInt {
        let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        return withAddress(of: path) { connect(descriptor, $0, $1) } == 0 ? 0 : errno
    }

    /// - Parameter body: gets the address and its length, and returns what a system call returns.
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

/// Keeps other daemons from looking at the sockets of a directory.
///
/// If the directory cannot be locked, the start goes on without: the lock closes only the short time between two daemons that start at once.
private struct DirectoryHold {
    private let descriptor: CInt

    private static let patience = Duration.seconds(2)

    init(_ directory: String) {
        descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        let deadline = ContinuousClock.now + Self.patience
        while descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) != 0, .now < deadline { poll(nil, 0, 10) }
    }

    func end() {
        if descriptor >= 0 { close(descriptor) }
    }
}
