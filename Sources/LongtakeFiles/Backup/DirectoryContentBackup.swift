import Dispatch
public import LongtakeCore

/// Copies the content of a store into backups. Hard links are enough on the same disk, because
/// content never changes.
public struct DirectoryContentBackup: ContentBackup {
    private let directory: String
    private let cleaner: ContentCleaner

    /// - Parameters:
    ///   - directory: the directory of the store.
    ///   - cleaner: the only one that removes content.
    public init(directory: String, cleaner: ContentCleaner) {
        self.directory = directory
        self.cleaner = cleaner
    }

    /// Waits for a removal that is running.
    public func beginKeeping() {
        let paused = DispatchSemaphore(value: 0)
        // Unstructured, because the caller is a thread that may block, and no task.
        Task { [cleaner] in
            await cleaner.pause()
            paused.signal()
        }
        paused.wait()
    }

    /// Lets the cleaner remove content again.
    public func endKeeping() { cleaner.resume() }

    /// Copies the content that the rows refer to.
    public func copy(
        _ rows: any ContentRows, to path: String, while mayGoOn: () -> Bool
    ) throws -> ContentBackupResult {
        var result = ContentBackupResult()
        guard let source = try ContentDirectories.existing(directory) else { return result }
        var copier = try ContentCopier(from: source, to: path, by: .link)
        try rows.visit { key, bytes in
            guard mayGoOn() else { throw CancellationError() }
            if try copier.add(key, bytes: bytes) {
                result.files += 1
                result.bytes += bytes
            } else {
                result.missing += 1
            }
        }
        try copier.finish()
        return result
    }
}

/// Puts the content of a backup into a data directory that no daemon uses.
public struct DirectoryContentRestore: ContentRestore {
    private let backup: String
    private let data: String

    /// - Parameters:
    ///   - backup: the directory of the backup's content. It may be missing: then only the content that
    ///     the data directory already has is there afterwards.
    ///   - data: the data directory.
    public init(backup: String, data: String) {
        self.backup = backup
        self.data = data
    }

    /// Copies, so that the backup stays independent of the daemon.
    public func bringBack(_ rows: any ContentRows) throws -> ContentBackupResult {
        var result = ContentBackupResult()
        let source = try ContentDirectories.existing(backup)
        let kept = try ContentDirectories.existing(data + "/files")
        let owner = ContentCopier.Owner(ofDirectory: data)
        var copier = try source.map { try ContentCopier(from: $0, to: data + "/files", by: .copy, owner: owner) }
        try rows.visit { key, bytes in
            let isThere = try kept?.bytes(of: key) == bytes
            if try isThere || copier?.add(key, bytes: bytes) == true {
                result.files += 1
                result.bytes += bytes
            } else {
                result.missing += 1
            }
        }
        try copier?.finish()
        return result
    }

    private var part: String { data + "/replaced-files.part" }

    /// Hard links, because the directory stays in use.
    public func keepReplaced() throws {
        guard let source = try ContentDirectories.existing(data + "/files") else { return }
        var copier = try ContentCopier(
            from: source, to: part, by: .link, owner: ContentCopier.Owner(ofDirectory: data))
        try source.visit { key, bytes in _ = try copier.add(key, bytes: bytes) }
        try copier.finish()
    }

    /// Moves the content that a restore has replaced into a directory.
    public func moveReplaced(to directory: String) throws {
        guard let source = try Directory.existing(data), let target = try Directory.existing(directory),
            try source.isDirectory("replaced-files.part")
        else { return }
        try source.rename("replaced-files.part", to: "files", in: target)
        try target.sync()
        try source.sync()
    }
}
