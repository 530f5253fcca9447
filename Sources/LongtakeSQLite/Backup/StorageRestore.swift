import FoundationEssentials
import GRDB
import Glibc
public import LongtakeCore

/// Restores a backup into a data directory that no daemon uses.
///
/// It first copies the backup into the directory. While the old and the new database change places,
/// the new one has a temporary name, and no daemon starts. So a restore that is interrupted at any
/// moment either has not begun, or continues when it runs again. The old database is moved aside as
/// a whole and never removed.
public struct StorageRestore: Sendable {
    private let directory: String
    private let clock: any WallClock

    public init(into directory: String, clock: any WallClock) {
        self.directory = directory
        self.clock = clock
    }

    /// The result of a restore.
    public struct Outcome: Hashable, Sendable {
        public let inspection: StorageInspection
        /// The new place of the old database; `nil` if there was none.
        public let replaced: String?
        /// The content that the restored rows refer to.
        public let content: ContentBackupResult
    }

    /// The complete copy of the backup. While it exists, no daemon starts.
    static let unfinished = "longtake.db.restoring"
    /// The incomplete copy. It does not prevent a start.
    private static let copying = "longtake.db.copying"
    /// The old database, moved here file by file before its directory gets its final name.
    static let moving = "replaced.part"

    /// Blocks its thread. It verifies the backup first, and changes nothing if the backup is not
    /// sound.
    /// - Parameters:
    ///   - replaces: whether an existing database is moved aside. Otherwise the restore is refused.
    ///   - content: restores the content of files and artifacts, and keeps that of the old
    ///     database; `nil` to restore rows only.
    /// - Throws: ``StorageRefusal``.
    public func run(
        _ backup: String, replaces: Bool, inspector: StorageInspector, content: (any ContentRestore)? = nil
    ) throws(StorageRefusal) -> Outcome {
        let inspection = try inspector.inspect(file: backup)
        guard inspection.isSound, inspection.walBytes == 0 else {
            throw StorageRefusal(
                inspection.schemaAge == .newer
                    ? "\(backup) was written by a newer version. Restore it with that one."
                    : inspection.walBytes > 0
                        ? "\(backup) has a WAL beside it, so it is not a backup but a data directory. Copy the directory instead."
                        : "\(backup) has \(inspection.violationCount) violations. List them with longtake check, and use another backup."
            )
        }
        do {
            try SyncedFile.makeDirectory(directory)
        } catch {
            throw StorageRefusal(
                directory: directory, failed: error, remedy: "Name a directory that you may write to.")
        }
        // Root restores for the daemon's user, who owns the directory and must be able to open the
        // new files.
        let owner = FileOwner(ofDirectory: directory)
        let lock = try DirectoryLock(directory: directory, wait: StorageInspector.lockWait, for: owner)
        defer { withExtendedLifetime(lock) {} }
        let database = directory + "/longtake.db"
        let isThere = FileManager.default.fileExists(atPath: database)
        guard !isThere || replaces else {
            throw StorageRefusal(
                "\(database) exists already. With --replace it is moved to a directory beside it, and not removed."
            )
        }
        let new = directory + "/" + Self.unfinished
        let restored = try restore(content, of: backup, keepsReplaced: isThere)
        try copy(backup, to: new, for: owner)
        do {
            let replaced = try moveAside(database, for: owner)
            if let replaced { try content?.moveReplaced(to: replaced) }
            // The restored database has no WAL that could be missing.
            lock.leave(.closed)
            try SyncedFile.rename(new, to: database)
            return Outcome(inspection: inspection, replaced: replaced, content: restored)
        } catch {
            throw StorageRefusal("the restore did not finish: \(error). Run it again.")
        }
    }

    /// Comes before the rows change places. Content without rows does no harm, and the daemon
    /// removes it some time after its start.
    private func restore(
        _ content: (any ContentRestore)?, of backup: String, keepsReplaced: Bool
    ) throws(StorageRefusal) -> ContentBackupResult {
        guard let content else { return ContentBackupResult() }
        do {
            if keepsReplaced { try content.keepReplaced() }
            return try DatabaseContentRows.read(backup) { try content.bringBack($0) }
        } catch {
            throw StorageRefusal(
                "the files of the backup cannot be copied: \(error). The database has not changed. Solve the problem, and run it again."
            )
        }
    }

    /// Leaves no file if it fails.
    private func copy(_ backup: String, to new: String, for owner: FileOwner?) throws(StorageRefusal) {
        let copy = directory + "/" + Self.copying
        // SQLite would apply the journal of an interrupted copy to this one.
        unlink(copy + "-journal")
        do {
            try SyncedFile.copy(backup, to: copy, for: owner)
            try BackupCopy.renewEpoch(of: copy)
            try SyncedFile.sync(copy)
            try SyncedFile.rename(copy, to: new)
        } catch {
            for suffix in ["", "-journal"] { unlink(copy + suffix) }
            throw StorageRefusal(
                "the backup cannot be copied: \(error). Nothing has changed. Solve the problem, and run it again.")
        }
    }

    /// The database file moves first, so that no daemon uses its WAL with another database. An
    /// interrupted move continues here.
    private func moveAside(_ database: String, for owner: FileOwner?) throws -> String? {
        let files = FileManager.default
        let part = directory + "/" + Self.moving
        let names = ["", "-wal", "-shm", "-journal"].filter { files.fileExists(atPath: database + $0) }
        // If a name exists in both places, the files belong to two databases.
        if names.contains(where: { files.fileExists(atPath: part + "/longtake.db" + $0) }) { try nameAside(part) }
        let isBegun = files.fileExists(atPath: part)
        guard isBegun || !names.isEmpty else { return nil }
        if !isBegun {
            try files.createDirectory(
                atPath: part, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        }
        for name in names { try files.moveItem(atPath: database + name, toPath: part + "/longtake.db" + name) }
        try owner?.take(directory: part)
        try SyncedFile.sync(part)
        return try nameAside(part)
    }

    /// Gives the directory of a complete database its final name.
    @discardableResult
    private func nameAside(_ part: String) throws -> String {
        let stamp = clock.now()
        var (target, number) = ("", -1)
        repeat {
            number += 1
            target = "\(directory)/replaced-\(stamp.advanced(by: .milliseconds(number)).description)"
        } while FileManager.default.fileExists(atPath: target)
        try SyncedFile.rename(part, to: target)
        return target
    }
}
