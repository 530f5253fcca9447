import Dispatch
import FoundationEssentials
import GRDB
import Glibc
public import Logging
public import LongtakeCore
import Synchronization

/// Backups of the running daemon's database, one at a time, as files in one directory.
///
/// A complete backup is a file with a fixed form of name. So the list of backups is read from the
/// directory, and only running and failed backups are in memory.
///
/// The directory may be on another disk, and that disk may hang. So a ``BlockingLane`` runs all
/// calls on it, and none of them holds the lock that requests need.
public final class SQLiteBackups: Backups {
    private let journal: SQLiteJournal
    private let directory: String
    private let clock: any WallClock
    private let files: any BackupFiles
    private let content: (any ContentBackup)?
    private let lane: BlockingLane
    /// The queue that makes the copy, which takes minutes.
    private let copying = DispatchQueue(label: "longtake.backup", qos: .utility)
    private let stopPatience: Duration
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var running: (backup: Backup, copy: BackupCopy)?
        /// Of this boot, oldest first, at most ``failuresKept``.
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

    /// Soon removes the file of an interrupted backup.
    /// - Parameters:
    ///   - directory: created with the first backup.
    ///   - content: copies the content of files; `nil` if backups never include it.
    public convenience init(
        journal: SQLiteJournal, directory: String, content: (any ContentBackup)? = nil, clock: any WallClock,
        logger: Logger
    ) {
        self.init(
            journal: journal, directory: directory, clock: clock, files: DiskFiles(), content: content, logger: logger)
    }

    /// - Parameters:
    ///   - files: accesses the directory.
    ///   - patience: how long a request waits for the directory.
    ///   - stopPatience: how long a stop waits for the backup that it has interrupted.
    init(
        journal: SQLiteJournal, directory: String, clock: any WallClock, files: any BackupFiles,
        content: (any ContentBackup)? = nil,
        patience: Duration = SQLiteLimits.backupResponseTimeout,
        stopPatience: Duration = SQLiteLimits.backupStopTimeout, logger: Logger
    ) {
        self.journal = journal
        self.directory = directory
        self.clock = clock
        self.files = files
        self.content = content
        self.logger = logger
        self.stopPatience = stopPatience
        lane = BlockingLane(label: "longtake.backups", most: SQLiteLimits.backupRequestsWaiting, patience: patience)
        lane.begin { [files] in
            for name in files.names(in: directory)
            where name.hasPrefix("backup-")
                && (name.contains(Self.suffix + BackupCopy.partial) || name.hasSuffix(".files" + BackupCopy.partial))
            {
                files.remove(directory + "/" + name)
            }
        }
    }

    /// Begins a copy of the present state, and returns before it is complete.
    public func begin(includingFiles: Bool) async throws -> Backup {
        try state.withLock { try Self.mayBegin($0) }
        let backup = try await lane.run { [self] isWanted in
            try prepare(isWanted, includingFiles: includingFiles)
        }
        logger.info("a backup began", metadata: ["backup": "\(backup.id)", "path": "\(backup.path)"])
        return backup
    }

    private static func mayBegin(_ state: State) throws {
        guard !state.isStopped else { throw JournalError.closed }
        if let running = state.running { throw BackupRunning(running.backup.id) }
    }

    /// Chooses a name and opens the source, on the lane.
    private func prepare(_ isWanted: () -> Bool, includingFiles: Bool) throws -> Backup {
        try files.makeDirectory(directory)
        let failed = state.withLock { Set($0.failed.map(\.id)) }
        // A clock that stands still or was set back must not give the same name twice.
        var id = BackupID(at: clock.now())
        while files.status(of: path(of: id)) != nil || failed.contains(id) {
            id = BackupID(at: id.startedAt.advanced(by: .milliseconds(1)))
        }
        let backup = Backup(id: id, state: .running, path: path(of: id), includesFiles: includingFiles, bytes: 0)
        let copy = try BackupCopy(of: journal.path, to: backup.path)
        try state.withLock { state in
            // If the caller was told that no backup began, none may begin.
            guard isWanted() else { throw BackupsUnanswered() }
            try Self.mayBegin(state)
            state.running = (backup, copy)
        }
        // Begin here and not in the caller, which may have stopped waiting: a backup that is marked
        // as running must run.
        copying.async { self.make(backup) }
        return backup
    }

    /// A backup that runs, failed in this boot, or has a file.
    public func backup(_ id: BackupID) async throws -> Backup? { try await lane.run { [self] _ in known(id) } }

    /// All backups, the newest first.
    public func backups() async throws -> [Backup] {
        try await lane.run { [self] _ in
            let remembered = state.withLock { $0.failed.map(\.id) + ($0.running.map { [$0.backup.id] } ?? []) }
            let stored = files.names(in: directory).filter { $0.hasSuffix(Self.suffix) }
                .compactMap { BackupID($0.dropLast(Self.suffix.count)) }
            return Set(remembered + stored).sorted { $0.startedAt > $1.startedAt }.compactMap(known)
        }
    }

    /// Interrupts the running backup, which then fails, and begins no other. It waits for the end
    /// of the backup, but not for a disk that hangs.
    /// - Parameter limit: how long it waits at most; `nil` for ``SQLiteLimits/backupStopTimeout``.
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
                self.logger.warning(
                    "the disk of the backups does not answer; the shutdown does not wait for the running backup")
                for waiter in waiters { waiter.resume() }
            }
        }
    }

    private func make(_ begun: Backup) {
        guard let copy = state.withLock({ $0.running?.copy }) else { return }
        var backup = begun
        do {
            backup.bytes = try run(copy, backup)
            backup.state = .done
        } catch {
            backup.state = .failed
            backup.error = Self.reason(error)
        }
        // Never before the start, even if the wall clock was set back.
        backup.finishedAt = max(clock.now(), backup.startedAt)
        let waiters = state.withLock { state in
            state.running = nil
            if backup.state == .failed { state.failed = Array((state.failed + [backup]).suffix(Self.failuresKept)) }
            return state.takeWaiters()
        }
        log(backup)
        for waiter in waiters { waiter.resume() }
    }

    /// Copies the rows first and then the content that they refer to. Nothing is removed meanwhile.
    private func run(_ copy: BackupCopy, _ backup: Backup) throws -> Int64 {
        guard backup.includesFiles, let content else {
            try journal.whileReadForLong { try copy.copyRows() }
            return try copy.publish()
        }
        content.beginKeeping()
        defer { content.endKeeping() }
        try journal.whileReadForLong { try copy.copyRows() }
        let part = backup.filesPath + BackupCopy.partial
        do {
            let result = try copy.readContent { rows in
                try content.copy(rows, to: part) { copy.isWanted }
            }
            try makeDirectoryIfMissing(part)
            try SyncedFile.rename(part, to: backup.filesPath)
            log(result, of: backup)
        } catch {
            copy.discard()
            files.remove(part)
            throw error
        }
        return try copy.publish()
    }

    /// If there is no content, the backup still says that it includes all of it.
    private func makeDirectoryIfMissing(_ path: String) throws {
        if files.status(of: path) == nil { try files.makeDirectory(path) }
    }

    private func log(_ result: ContentBackupResult, of backup: Backup) {
        if result.missing > 0 {
            logger.warning(
                "a backup lacks files that are missing or damaged; see longtake check",
                metadata: ["backup": "\(backup.id)", "missing": "\(result.missing)"])
        }
        logger.info(
            "the files of a backup are copied",
            metadata: [
                "backup": "\(backup.id)", "files": "\(result.files)", "bytes": "\(result.bytes)",
                "path": "\(backup.filesPath)",
            ])
    }

    private func log(_ backup: Backup) {
        if let error = backup.error {
            logger.error("a backup failed", metadata: ["backup": "\(backup.id)", "error": "\(error)"])
        } else {
            logger.info(
                "a backup is complete",
                metadata: ["backup": "\(backup.id)", "bytes": "\(backup.bytes)", "path": "\(backup.path)"])
        }
    }

    private static func reason(_ error: any Error) -> String {
        if error is CancellationError { return "the daemon stopped" }
        if error as? FileStoreError == .full { return "the files do not fit on the disk" }
        guard let error = error as? DatabaseError else { return "\(error)" }
        switch error.resultCode {
        case .SQLITE_FULL: return "the disk became full"
        case .SQLITE_INTERRUPT: return "the daemon stopped"
        default: return error.message ?? "\(error.resultCode)"
        }
    }

    /// Runs on the lane. It reads the file's size without holding the lock.
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
            id: id, state: .done, path: path,
            includesFiles: files.status(of: Backup.filesPath(of: path)) != nil, bytes: status.bytes,
            finishedAt: max(status.changedAt, id.startedAt))
    }

    private func path(of id: BackupID) -> String { "\(directory)/\(id)\(Self.suffix)" }
}

/// The calls on the directory of backups. Each may take as long as its disk hangs.
protocol BackupFiles: Sendable {
    /// Creates the directory if it is missing.
    func makeDirectory(_ path: String) throws

    /// Empty if there is no such directory.
    func names(in directory: String) -> [String]

    /// `nil` if there is no such file.
    func status(of path: String) -> (bytes: Int64, changedAt: Timestamp)?

    /// Removes a file, or a directory with all that it contains.
    func remove(_ path: String)
}

/// The calls of the system.
struct DiskFiles: BackupFiles {
    func makeDirectory(_ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    }

    func names(in directory: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    }

    func status(of path: String) -> (bytes: Int64, changedAt: Timestamp)? {
        var information = stat()
        guard stat(path, &information) == 0 else { return nil }
        let time = information.st_mtim
        return (
            Int64(information.st_size),
            Timestamp(millisecondsSince1970: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
        )
    }

    func remove(_ path: String) {
        if unlink(path) != 0, errno == EISDIR || errno == EPERM { try? FileManager.default.removeItem(atPath: path) }
    }
}

/// A thread for calls that take as long as a disk hangs, one after the other. Each caller has a
/// deadline, and the number of waiting callers is limited. So a disk that hangs blocks this thread
/// and no other.
final class BlockingLane: Sendable {
    private let queue: DispatchQueue
    private let most: Int
    private let patience: Duration
    private let state = Mutex(State())

    private struct State {
        var waiting = 0
        /// A caller has stopped waiting for the present call.
        var isStuck = false
    }

    /// - Parameters:
    ///   - most: how many callers wait at once.
    ///   - patience: how long each caller waits.
    init(label: String, most: Int, patience: Duration) {
        queue = DispatchQueue(label: label)
        self.most = most
        self.patience = patience
    }

    /// Runs `body` on the lane's thread.
    /// - Parameter body: gets a closure that returns whether its caller still waits. It must call
    ///   this before it changes anything.
    /// - Throws: ``BackupsUnanswered`` if the lane does not answer in time or too many callers
    ///   wait; or the error of `body`.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable (_ isWanted: @escaping @Sendable () -> Bool) throws -> Value
    ) async throws -> Value {
        let isAdmitted = state.withLock { state in
            // If a call hangs, waiting behind it is useless.
            guard state.waiting < most, !state.isStuck else { return false }
            state.waiting += 1
            return true
        }
        guard isAdmitted else { throw BackupsUnanswered() }
        let caller = FirstResult<Value>()
        queue.async { [self] in
            defer { done() }
            guard caller.isWaiting else { return }
            caller.give(Result { try body { caller.isWaiting } })
        }
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(Int(patience / .milliseconds(1)))) {
            [self] in
            if caller.isWaiting { state.withLock { $0.isStuck = $0.waiting > 0 } }
            caller.give(.failure(BackupsUnanswered()))
        }
        return try await caller.value()
    }

    /// Runs `body` after all earlier calls, without a waiting caller.
    func begin(_ body: @escaping @Sendable () -> Void) { queue.async(execute: body) }

    /// The present call has ended, so the lane is not stuck.
    private func done() {
        state.withLock { state in
            state.waiting -= 1
            state.isStuck = false
        }
    }
}
