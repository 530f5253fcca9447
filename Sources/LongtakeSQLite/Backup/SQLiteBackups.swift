import Dispatch
import FoundationEssentials
import GRDB
public import Logging
public import LongtakeCore
import Synchronization

/// Backups of the database in files of one directory, one at a time, made by the daemon that has it open.
///
/// A backup that is done is a file with its name; so what is there is read from the directory, and only what runs or failed is remembered.
///
/// The directory may be on another disk, and that may hang. So all that touches it happens on a ``BlockingLane``, and never under the lock
/// that requests need.
public final class SQLiteBackups: Backups {
    private let journal: SQLiteJournal
    private let directory: String
    private let clock: any WallClock
    private let files: any BackupFiles
    private let lane: BlockingLane
    /// Where the copy is made, which takes minutes.
    private let copying = DispatchQueue(label: "longtake.backup", qos: .utility)
    private let stopPatience: Duration
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var running: (backup: Backup, copy: BackupCopy)?
        /// Oldest first, of this boot, at most ``failuresKept``.
        var failed: [Backup] = []
        var waiters: [CheckedContinuation<Void, Never>] = []
        var isStopped = false

        mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
            defer { waiters = [] }
            return waiters
        }
    }

    private static let failuresKept = 16
    private static let suffix = ".db"

    /// Removes what a backup that was cut off has left, soon.
    /// - Parameter directory: made with the first backup.
    public convenience init(journal: SQLiteJournal, directory: String, clock: any WallClock, logger: Logger) {
        self.init(journal: journal, directory: directory, clock: clock, files: DiskFiles(), logger: logger)
    }

    /// - Parameters:
    ///   - files: what the directory is reached with.
    ///   - patience: how long a request waits for the directory.
    ///   - stopPatience: how long a stop waits for the backup that it has interrupted.
    init(
        journal: SQLiteJournal, directory: String, clock: any WallClock, files: any BackupFiles,
        patience: Duration = Limits.backupPatience, stopPatience: Duration = Limits.backupStopPatience, logger: Logger
    ) {
        self.journal = journal
        self.directory = directory
        self.clock = clock
        self.files = files
        self.logger = logger
        self.stopPatience = stopPatience
        lane = BlockingLane(label: "longtake.backups", most: Limits.backupsWaiting, patience: patience)
        lane.begin { [files] in
            for name in files.names(in: directory)
            where name.contains(Self.suffix + BackupCopy.partial) && name.hasPrefix("backup-") {
                files.remove(directory + "/" + name)
            }
        }
    }

    /// Begins a copy of what is durable at this moment, and returns before it is done.
    public func begin() async throws -> Backup {
        try state.withLock { try Self.mayBegin($0) }
        let backup = try await lane.run { [self] isWanted in try prepare(isWanted) }
        logger.info("a backup began", metadata: ["backup": "\(backup.id)", "path": "\(backup.path)"])
        return backup
    }

    private static func mayBegin(_ state: State) throws {
        guard !state.isStopped else { throw JournalError.closed }
        if let running = state.running { throw BackupRunning(running.backup.id) }
    }

    /// Finds a name and opens the source, on the lane.
    private func prepare(_ isWanted: () -> Bool) throws -> Backup {
        try files.makeDirectory(directory)
        let failed = state.withLock { Set($0.failed.map(\.id)) }
        // A clock that stands still, or was set back, gives no name twice.
        var id = BackupID(at: clock.now())
        while files.status(of: path(of: id)) != nil || failed.contains(id) {
            id = BackupID(at: id.startedAt.advanced(by: .milliseconds(1)))
        }
        let backup = Backup(id: id, state: .running, path: path(of: id), bytes: 0)
        let copy = try BackupCopy(of: journal.path, to: backup.path)
        try state.withLock { state in
            // If the caller was told that nothing was begun, nothing may begin.
            guard isWanted() else { throw BackupsUnanswered() }
            try Self.mayBegin(state)
            state.running = (backup, copy)
        }
        // Here and not in the caller, which may have given up by now: what is marked as running must run.
        copying.async { self.make(backup) }
        return backup
    }

    /// One that runs, failed in this boot, or whose file is there.
    public func backup(_ id: BackupID) async throws -> Backup? { try await lane.run { [self] _ in known(id) } }

    /// All of them, the newest first.
    public func backups() async throws -> [Backup] {
        try await lane.run { [self] _ in
            let remembered = state.withLock { $0.failed.map(\.id) + ($0.running.map { [$0.backup.id] } ?? []) }
            let stored = files.names(in: directory).filter { $0.hasSuffix(Self.suffix) }
                .compactMap { BackupID($0.dropLast(Self.suffix.count)) }
            return Set(remembered + stored).sorted { $0.startedAt > $1.startedAt }.compactMap(known)
        }
    }

    /// Ends the backup that runs, which fails, and begins no other. It waits for that, but not for a disk that hangs.
    /// - Parameter limit: how long it waits at the most; `nil` for ``Limits/backupStopPatience``.
    public func stop(within limit: Duration? = nil) async {
        let patience = min(limit ?? stopPatience, stopPatience)
        await withCheckedContinuation { caller in
            let copy = state.withLock { state -> BackupCopy? in
                state.isStopped = true
                if state.running != nil { state.waiters.append(caller) }
                return state.running?.copy
            }
            guard let copy else { return caller.resume() }
            copy.stop()
            DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(Int(patience / .milliseconds(1)))) {
                let waiters = self.state.withLock { $0.takeWaiters() }
                guard !waiters.isEmpty else { return }
                self.logger.warning("the disk of the backups hangs; the backup that was being made is left behind")
                for waiter in waiters { waiter.resume() }
            }
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
        // Never before it began, whatever the wall clock says meanwhile.
        backup.finishedAt = max(clock.now(), backup.startedAt)
        let waiters = state.withLock { state in
            state.running = nil
            if backup.state == .failed { state.failed = Array((state.failed + [backup]).suffix(Self.failuresKept)) }
            return state.takeWaiters()
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

    /// On the lane. The size of the file is asked for outside the lock.
    private func known(_ id: BackupID) -> Backup? {
        let running = state.withLock { $0.running }
        if var backup = running?.backup, backup.id == id {
            backup.bytes = files.status(of: backup.path + BackupCopy.partial)?.bytes ?? 0
            return backup
        }
        return state.withLock { $0.failed.first { $0.id == id } } ?? stored(id)
    }

    private func stored(_ id: BackupID) -> Backup? {
        let path = path(of: id)
        guard let status = files.status(of: path) else { return nil }
        return Backup(
            id: id, state: .done, path: path, bytes: status.bytes, finishedAt: max(status.changedAt, id.startedAt))
    }

    private func path(of id: BackupID) -> String { "\(directory)/\(id)\(Self.suffix)" }
}
