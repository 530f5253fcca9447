import FoundationEssentials
import GRDB
import Glibc
public import LongtakeCore

/// Puts a backup into a data directory that no daemon uses.
///
/// The copy is made first, beside what is there. While the two change places the new one has another name, with which no daemon starts on the
/// directory. So a restore that is cut off at any moment is either not begun, or goes on when it is run again; and what was there is
/// moved aside, whole, never removed.
public struct StorageRestore: Sendable {
    private let directory: String
    private let clock: any WallClock

    public init(into directory: String, clock: any WallClock) {
        self.directory = directory
        self.clock = clock
    }

    /// What was done.
    public struct Outcome: Hashable, Sendable {
        public let inspection: StorageInspection
        /// Where the database that was there is now; `nil` where there was none.
        public let replaced: String?
    }

    /// The backup's copy, once it is whole: from here on no daemon starts until it has taken its place.
    static let unfinished = "longtake.db.restoring"
    /// While it is being made, which keeps nobody from starting.
    private static let copying = "longtake.db.copying"
    /// Where the database that was there goes, file by file, before its directory gets its own name.
    static let moving = "replaced.part"

    /// Blocks its thread. The backup is looked through first, and nothing is touched where it is not sound.
    /// - Parameter replaces: whether a database that is there is moved aside; otherwise it stays, and this is refused.
    /// - Throws: ``StorageRefusal``.
    public func run(_ backup: String, replaces: Bool, inspector: StorageInspector) throws(StorageRefusal) -> Outcome {
        let inspection = try inspector.inspect(file: backup)
        guard inspection.isSound, inspection.walBytes == 0 else {
            throw StorageRefusal(
                inspection.schemaAge == .newer
                    ? "\(backup) was written by a newer version. Restore it with that one."
                    : inspection.walBytes > 0
                        ? "\(backup) has a write-ahead log beside it, so it is no backup but a data directory. Copy the directory instead."
                        : "\(backup) has \(inspection.violationCount) mistakes. Look at them with longtake check, and take another backup."
            )
        }
        do {
            try SyncedFile.makeDirectory(directory)
        } catch {
            throw StorageRefusal(
                directory: directory, failed: error, remedy: "Name a directory that you may write to.")
        }
        // Root restores for the daemon's user, whose the directory is, and who must be able to open what is new in it.
        let owner = FileOwner(ofDirectory: directory)
        let lock = try DirectoryLock(directory: directory, wait: StorageInspector.lockWait, for: owner)
        defer { withExtendedLifetime(lock) {} }
        let database = directory + "/longtake.db"
        let isThere = FileManager.default.fileExists(atPath: database)
        guard !isThere || replaces else {
            throw StorageRefusal(
                "\(database) is there already. With --replace it is moved aside, to a directory beside it, and not removed."
            )
        }
        let new = directory + "/" + Self.unfinished
        try copy(backup, to: new, for: owner)
        do {
            let replaced = try moveAside(database, for: owner)
            // What is put in place has no log that could be missed.
            lock.leave(.closed)
            try SyncedFile.rename(new, to: database)
            return Outcome(inspection: inspection, replaced: replaced)
        } catch {
            throw StorageRefusal("the restore is not finished: \(error). Run it again.")
        }
    }

    /// Nothing of it stays where it fails.
    private func copy(_ backup: String, to new: String, for owner: FileOwner?) throws(StorageRefusal) {
        let copy = directory + "/" + Self.copying
        // What one that was cut off has left would be taken for part of this one.
        unlink(copy + "-journal")
        do {
            try SyncedFile.copy(backup, to: copy, for: owner)
            try BackupCopy.renewEpoch(of: copy)
            try SyncedFile.sync(copy)
            try SyncedFile.rename(copy, to: new)
        } catch {
            for suffix in ["", "-journal"] { unlink(copy + suffix) }
            throw StorageRefusal(
                "the backup cannot be copied: \(error). Nothing is changed; mend that, and run it again.")
        }
    }

    /// The database goes first: without it no daemon takes its log for that of another. One that was cut off in between goes on here.
    private func moveAside(_ database: String, for owner: FileOwner?) throws -> String? {
        let files = FileManager.default
        let part = directory + "/" + Self.moving
        let names = ["", "-wal", "-shm", "-journal"].filter { files.fileExists(atPath: database + $0) }
        // What is there twice is of two databases.
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

    /// Gives the directory of a database that is whole its own name.
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
