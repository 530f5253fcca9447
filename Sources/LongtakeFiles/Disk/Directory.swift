import Glibc
import LongtakeCore

/// An open directory. Everything beneath it is opened relative to it and never through a symbolic
/// link, so nobody can lead the store to another place.
final class Directory: Sendable {
    let number: Int32
    private let probe: DiskProbe

    private init(_ number: Int32, probe: DiskProbe) {
        self.number = number
        self.probe = probe
    }

    deinit { close(number) }

    /// Opens the directory at a path, which may contain links of the operator. If it is missing, it
    /// is created with mode 0700 and its parent is synced.
    static func open(_ path: String, probe: DiskProbe) throws(FileStoreError) -> Directory {
        let isNew = mkdir(path, 0o700) == 0
        guard isNew || errno == EEXIST else { throw .system("cannot create the directory of files") }
        let number = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw .system("cannot open the directory of files") }
        let directory = Directory(number, probe: probe)
        if isNew { try directory.parent().sync() }
        return directory
    }

    /// Opens the directory at a path; `nil` if it does not exist.
    static func existing(_ path: String) throws(FileStoreError) -> Directory? {
        let number = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if number < 0, errno == ENOENT { return nil }
        guard number >= 0 else { throw .system("cannot open the directory of files") }
        return Directory(number, probe: DiskProbe())
    }

    private func parent() throws(FileStoreError) -> Directory {
        let parent = openat(number, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard parent >= 0 else { throw .system("cannot open the parent of the directory of files") }
        return Directory(parent, probe: probe)
    }

    /// Opens a directory in this one; `nil` if it does not exist.
    /// - Throws: if the name belongs to a link or a file.
    func directory(_ name: String) throws(FileStoreError) -> Directory? {
        let child = openat(number, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        if child < 0, errno == ENOENT { return nil }
        guard child >= 0 else { throw .system("cannot open a directory of files") }
        return Directory(child, probe: probe)
    }

    /// Creates a directory with mode 0700.
    /// - Returns: `false` if the name is taken.
    func makeDirectory(_ name: String) throws(FileStoreError) -> Bool {
        let step = DiskStep.makeDirectory(name, in: number)
        try probe.before(step)
        guard mkdirat(number, name, 0o700) == 0 else {
            guard errno == EEXIST else { throw .system("cannot create a directory of files") }
            return false
        }
        probe.after(step)
        return true
    }

    /// Opens a directory in this one, and creates it if it is missing. Its name is not yet durable.
    func directoryMadeIfMissing(_ name: String) throws(FileStoreError) -> Directory {
        if let existing = try directory(name) { return existing }
        _ = try makeDirectory(name)
        guard let made = try directory(name) else { throw .failed("a directory of files was removed") }
        return made
    }

    /// Opens a regular file to read it; `nil` if it does not exist.
    func file(_ name: String) throws(FileStoreError) -> Descriptor? {
        // O_NONBLOCK: the open does not hang if the name belongs to a FIFO.
        let child = openat(number, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        if child < 0, errno == ENOENT { return nil }
        guard child >= 0 else { throw .system("cannot open a file") }
        let file = Descriptor(child, probe: probe)
        _ = try file.bytes()
        return file
    }

    /// Creates a file that this store alone writes. Its mode is 0400: content never changes.
    func makeFile(_ name: String) throws(FileStoreError) -> Descriptor {
        let step = DiskStep.createFile(name, in: number)
        try probe.before(step)
        let child = openat(number, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o400)
        guard child >= 0 else { throw .system("cannot create a file") }
        probe.after(step)
        return Descriptor(child, probe: probe)
    }

    /// Moves a file into another directory. It replaces a file that has the new name.
    func rename(_ name: String, to newName: String, in directory: Directory) throws(FileStoreError) {
        let step = DiskStep.rename(name, to: newName, in: directory.number)
        try probe.before(step)
        guard renameat(number, name, directory.number, newName) == 0 else { throw .system("cannot rename a file") }
        probe.after(step)
    }

    /// Gives a file of this directory a second name in another one.
    /// - Returns: `false` if the file system cannot do it, or if the directories are on different
    ///   ones.
    func link(_ name: String, in directory: Directory) throws(FileStoreError) -> Bool {
        if linkat(number, name, directory.number, name, 0) == 0 { return true }
        switch errno {
        case EXDEV, EPERM, EMLINK, EOPNOTSUPP, ENOSYS: return false
        default: throw .system("cannot link a file")
        }
    }

    /// Removes a file, or an empty directory if `isDirectory`. A missing name is no error.
    func unlink(_ name: String, isDirectory: Bool = false) throws(FileStoreError) {
        let step = DiskStep.unlink(name, in: number)
        try probe.before(step)
        guard unlinkat(number, name, isDirectory ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT else {
            throw .system("cannot remove a file")
        }
        probe.after(step)
    }

    /// Waits until the names in this directory are on the disk.
    func sync() throws(FileStoreError) {
        try probe.before(.syncDirectory(number))
        guard fsync(number) == 0 else { throw .system("cannot sync a directory") }
        probe.after(.syncDirectory(number))
    }

    /// The names in this directory, without `.` and `..`, in no order.
    func names() throws(FileStoreError) -> [String] {
        // A descriptor of its own, because the position of readdir(3) belongs to the open file.
        let copy = openat(number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = fdopendir(copy) else {
            let code = errno
            if copy >= 0 { close(copy) }
            throw .system("cannot list a directory of files", code)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw .system("cannot list a directory of files") }
                return names
            }
            // Only up to the NUL. A copy of the whole field would read beyond the buffer.
            let offset = MemoryLayout<dirent>.offset(of: \.d_name)!
            let name = (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self)
            let text = String(cString: name)
            if text != ".", text != ".." { names.append(text) }
        }
    }

    /// Whether the name belongs to a directory, and not to a link to one.
    func isDirectory(_ name: String) throws(FileStoreError) -> Bool {
        var information = stat()
        guard fstatat(number, name, &information, AT_SYMLINK_NOFOLLOW) == 0 else {
            guard errno == ENOENT else { throw .system("cannot examine a directory of files") }
            return false
        }
        return information.st_mode & S_IFMT == S_IFDIR
    }

    /// The size of a regular file; `nil` if the name belongs to something else, or to nothing.
    func bytes(of name: String) throws(FileStoreError) -> Int64? {
        var information = stat()
        guard fstatat(number, name, &information, AT_SYMLINK_NOFOLLOW) == 0 else {
            guard errno == ENOENT else { throw .system("cannot examine a file") }
            return nil
        }
        return information.st_mode & S_IFMT == S_IFREG ? Int64(information.st_size) : nil
    }

    /// Free bytes for the user of this process on the file system of this directory.
    func freeBytes() throws(FileStoreError) -> Int64 {
        var information = statvfs()
        guard fstatvfs(number, &information) == 0 else { throw .system("cannot examine the file system") }
        return Int64(
            clamping: UInt64(information.f_bavail).multipliedReportingOverflow(by: UInt64(information.f_frsize))
                .partialValue)
    }
}
