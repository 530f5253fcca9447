import Glibc
import LongtakeCore

/// Copies stored content into another directory with the same layout. It reads and writes on the
/// caller's thread.
///
/// Content that is there already with the right size is left alone, so a copy that was interrupted
/// can begin again.
struct ContentCopier {
    /// How content gets into the other directory.
    enum Means {
        /// A second name of the same file, or a copy if that is impossible. Content never changes,
        /// so the two names never differ.
        case link
        /// A file of its own.
        case copy
    }

    /// The user and group of new files and directories.
    struct Owner {
        let user: uid_t
        let group: gid_t

        /// The owner of a directory; `nil` if this process is not root, which alone can change
        /// owners.
        init?(ofDirectory path: String) {
            var information = stat()
            guard geteuid() == 0, stat(path, &information) == 0 else { return nil }
            (user, group) = (information.st_uid, information.st_gid)
        }
    }

    private let source: ContentDirectories
    private let target: Directory
    private let means: Means
    private let owner: Owner?
    /// The directories whose names are not synced yet, by their path.
    private var unsynced: [String: Directory] = [:]
    private var directories: [String: Directory] = [:]

    /// Free bytes that a copy leaves on the disk.
    private static let spareBytes: Int64 = 64_000_000

    /// - Parameter path: the directory of the copy. It is created if it is missing.
    init(
        from source: ContentDirectories, to path: String, by means: Means, owner: Owner? = nil
    ) throws(FileStoreError) {
        self.source = source
        self.means = means
        self.owner = owner
        let root = try Directory.open(path, probe: DiskProbe())
        target = try root.directoryMadeIfMissing("tenants")
        for directory in [root, target] { try Self.own(directory.number, owner) }
        unsynced = [".": root, "": target]
    }

    /// Copies one content.
    /// - Parameter bytes: the size that it must have.
    /// - Returns: `false` if the content does not exist or has another size. Then it is not copied.
    mutating func add(_ key: ContentKey, bytes: Int64) throws(FileStoreError) -> Bool {
        let name = key.hash.hex
        guard let from = try source.directory(of: key), try from.bytes(of: name) == bytes else { return false }
        let place = try place(of: key)
        if let existing = try place.bytes(of: name) {
            if existing == bytes { return true }
            try place.unlink(name)
        }
        if means == .link, try from.link(name, in: place) { return true }
        guard try place.freeBytes() >= bytes + Self.spareBytes else { throw .full }
        guard let file = try from.file(name) else { return false }
        do throws(FileStoreError) {
            try copy(file, name, to: place)
        } catch {
            try? place.unlink(name)
            throw error
        }
        return true
    }

    /// Waits until all names are on the disk. The content itself is synced when it is added.
    mutating func finish() throws(FileStoreError) {
        for directory in unsynced.values { try directory.sync() }
        unsynced = [:]
    }

    private func copy(_ file: Descriptor, _ name: String, to place: Directory) throws(FileStoreError) {
        let made = try place.makeFile(name)
        try Self.own(made.number, owner)
        var copy = FileCopy(from: file.number, to: made)
        if try !copy.clone() { while try copy.copy(FileCopy.pieceBytes) > 0 {} }
        try made.sync()
    }

    private mutating func place(of key: ContentKey) throws(FileStoreError) -> Directory {
        let tenant = try TenantDirectory.name(of: key.tenant)
        let parent = try directory(tenant, in: target, path: tenant)
        let prefix = ContentDirectories.prefix(of: key.hash)
        return try directory(prefix, in: parent, path: tenant + "/" + prefix)
    }

    private mutating func directory(
        _ name: String, in parent: Directory, path: String
    ) throws(FileStoreError) -> Directory {
        if let known = directories[path] { return known }
        // Few at once, because each one is an open descriptor.
        if directories.count >= 300 {
            try finish()
            directories = [:]
        }
        let directory = try parent.directoryMadeIfMissing(name)
        try Self.own(directory.number, owner)
        (directories[path], unsynced[path]) = (directory, directory)
        unsynced[path + "/.."] = parent
        return directory
    }

    private static func own(_ descriptor: Int32, _ owner: Owner?) throws(FileStoreError) {
        guard let owner else { return }
        guard fchown(descriptor, owner.user, owner.group) == 0 else {
            throw .system("cannot change the owner of a file")
        }
    }
}
