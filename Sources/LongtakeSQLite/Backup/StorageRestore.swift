import FoundationEssentials
import GRDB
import Glibc
public import LongtakeCore

/// Puts a backup into a data directory that no daemon uses.
///
/// While it goes on, the new database has another name, with which no daemon starts on the directory. So a restore that is cut off at any
/// moment is either not begun or to be run again, and what was there is moved aside, never removed.
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

    static let unfinished = "longtake.db.restoring"

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
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw StorageRefusal("cannot create \(directory): \(error). Name a directory that you may write to.")
        }
        let lock = try DirectoryLock(directory: directory, wait: StorageInspector.lockWait)
        defer { withExtendedLifetime(lock) {} }
        let database = directory + "/longtake.db"
        let isThere = FileManager.default.fileExists(atPath: database)
        guard !isThere || replaces else {
            throw StorageRefusal(
                "\(database) is there already. With --replace it is moved aside, to a directory beside it, and not removed."
            )
        }
        do {
            let new = directory + "/" + Self.unfinished
            try SyncedFile.copy(backup, to: new)
            try BackupCopy.renewEpoch(of: new)
            try SyncedFile.sync(new)
            try SyncedFile.sync(directory)
            let replaced = try moveAside(database)
            for path in [new, directory + "/longtake.lock"] { try giveToOwner(path) }
            // What is put in place has no log that could be missed.
            lock.leave(.closed)
            try SyncedFile.rename(new, to: database)
            return Outcome(inspection: inspection, replaced: replaced)
        } catch {
            throw StorageRefusal("the restore is not finished: \(error). Run it again.")
        }
    }

    /// Root restores for the daemon's user, whose the directory is, and who must be able to open what is new in it.
    private func giveToOwner(_ path: String) throws(SyncedFile.Failure) {
        var owner = stat()
        guard geteuid() == 0, stat(directory, &owner) == 0 else { return }
        guard lchown(path, owner.st_uid, owner.st_gid) == 0 else { throw SyncedFile.Failure(path) }
    }

    /// The database goes first: without it no daemon takes its log for that of another.
    private func moveAside(_ database: String) throws -> String? {
        let names = ["", "-wal", "-shm", "-journal"].filter { FileManager.default.fileExists(atPath: database + $0) }
        guard !names.isEmpty else { return nil }
        let stamp = clock.now()
        var (target, number) = ("", -1)
        repeat {
            number += 1
            target = "\(directory)/replaced-\(stamp.advanced(by: .milliseconds(number)).description)"
        } while FileManager.default.fileExists(atPath: target)
        try FileManager.default.createDirectory(
            atPath: target, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        for name in names {
            try FileManager.default.moveItem(atPath: database + name, toPath: target + "/longtake.db" + name)
        }
        try giveToOwner(target)
        try SyncedFile.sync(target)
        try SyncedFile.sync(directory)
        return target
    }
}
