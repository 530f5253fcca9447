import Dispatch
import FoundationEssentials
import GRDB
public import Logging
public import LongtakeCore
import Synchronization

/// Backups of the database in files of one directory, one at a time, made by the daemon that has it open.
///
/// A backup that is done is a file with its name; so what is there is read from the directory, and only what runs or failed is remembered.
public final class SQLiteBackups: Backups {
    private let journal: SQLiteJournal
    private let directory: String
    private let clock: any WallClock
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var running: (backup: Backup, copy: BackupCopy)?
        /// Oldest first, of this boot, at most ``failuresKept``.
        var failed: [Backup] = []
        var waiters: [CheckedContinuation<Void, Never>] = []
        var isStopped = false
    }

    private static let failuresKept = 16
    private static let suffix = ".db"

    /// Removes what a backup that was cut off has left.
    /// - Parameter directory: made with the first backup.
    public init(journal: SQLiteJournal, directory: String, clock: any WallClock, logger: Logger) {
        self.journal = journal
        self.directory = directory
        self.clock = clock
        self.logger = logger
        for name in names where name.contains(Self.suffix + BackupCopy.partial) && name.hasPrefix("backup-") {
            try? FileManager.default.removeItem(atPath: directory + "/" + name)
        }
    }

    /// Begins a copy of what is durable at this moment, and returns before it is done.
    public func begin() async throws -> Backup {
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let backup = try state.withLock { state in
            guard !state.isStopped else { throw JournalError.closed }
            if let running = state.running { throw BackupRunning(running.backup.id) }
            // A clock that stands still, or was set back, gives no name twice.
            var id = BackupID(at: clock.now())
            while SyncedFile.bytes(of: path(of: id)) > 0 || state.failed.contains(where: { $0.id == id }) {
                id = BackupID(at: id.startedAt.advanced(by: .milliseconds(1)))
            }
            let backup = Backup(id: id, state: .running, path: path(of: id), bytes: 0)
            state.running = (backup, try BackupCopy(of: journal.path, to: backup.path))
            return backup
        }
        logger.info("a backup began", metadata: ["backup": "\(backup.id)", "path": "\(backup.path)"])
        // Reading and writing gigabytes would hold up a thread of the cooperative pool.
        DispatchQueue.global(qos: .utility).async { self.make(backup) }
        return backup
    }

    /// One that runs, failed in this boot, or whose file is there.
    public func backup(_ id: BackupID) async -> Backup? { known(id) }

    /// All of them, the newest first.
    public func backups() async -> [Backup] {
        let remembered = state.withLock { $0.failed.map(\.id) + ($0.running.map { [$0.backup.id] } ?? []) }
        let stored = names.filter { $0.hasSuffix(Self.suffix) }.compactMap { BackupID($0.dropLast(Self.suffix.count)) }
        return Set(remembered + stored).sorted { $0.startedAt > $1.startedAt }.compactMap(known)
    }

    /// Ends the backup that runs, which fails, and begins no other.
    public func stop() async {
        await withCheckedContinuation { caller in
            let copy = state.withLock { state -> BackupCopy? in
                state.isStopped = true
                if state.running != nil { state.waiters.append(caller) }
                return state.running?.copy
            }
            if let copy { copy.stop() } else { caller.resume() }
        }
    }

    private func make(_ begun: Backup) {
        guard let copy = state.withLock({ $0.running?.copy }) else { return }
        var backup = begun
        do {
            backup.bytes = try journal.whileReadForLong { try copy.run() }
            backup.state = .done
        } catch {
            backup.state = .failed
            backup.error = Self.reason(error)
        }
        backup.finishedAt = clock.now()
        let waiters = state.withLock { state in
            state.running = nil
            if backup.state == .failed { state.failed = Array((state.failed + [backup]).suffix(Self.failuresKept)) }
            defer { state.waiters = [] }
            return state.waiters
        }
        tell(backup)
        for waiter in waiters { waiter.resume() }
    }

    private func tell(_ backup: Backup) {
        if let error = backup.error {
            logger.error("a backup failed", metadata: ["backup": "\(backup.id)", "error": "\(error)"])
        } else {
            logger.info(
                "a backup is done",
                metadata: ["backup": "\(backup.id)", "bytes": "\(backup.bytes)", "path": "\(backup.path)"])
        }
    }

    private static func reason(_ error: any Error) -> String {
        guard let error = error as? DatabaseError else { return "\(error)" }
        switch error.resultCode {
        case .SQLITE_FULL: return "the disk became full"
        case .SQLITE_INTERRUPT: return "the daemon stopped"
        default: return error.message ?? "\(error.resultCode)"
        }
    }

    private func known(_ id: BackupID) -> Backup? {
        let remembered = state.withLock { state -> Backup? in
            guard let running = state.running, running.backup.id == id else {
                return state.failed.first { $0.id == id }
            }
            var backup = running.backup
            backup.bytes = running.copy.bytes
            return backup
        }
        return remembered ?? stored(id)
    }

    private func stored(_ id: BackupID) -> Backup? {
        let path = path(of: id)
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: path) else { return nil }
        let changed = attributes[.modificationDate] as? Date
        return Backup(
            id: id, state: .done, path: path, bytes: SyncedFile.bytes(of: path),
            finishedAt: changed.map { Timestamp(millisecondsSince1970: Int64($0.timeIntervalSince1970 * 1000)) })
    }

    private func path(of id: BackupID) -> String { "\(directory)/\(id)\(Self.suffix)" }

    private var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] }
}
