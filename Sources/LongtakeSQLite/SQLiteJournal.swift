import Dispatch
import GRDB
public import Logging
public import LongtakeCore
import LongtakeStorage
import Synchronization

/// The journal in one SQLite database: a group-commit writer, and connections that only read.
public final class SQLiteJournal: Journal {
    public let epoch: Epoch
    public var holder: HolderID { HolderID(rawValue: boot.number) }
    public let boot: BootInfo
    /// The path of the database file.
    let path: String
    private let pool: DatabasePool
    private let checkpoints: WALCheckpoints
    let configuration: SQLiteConfiguration
    let writer: GroupCommitWriter
    let reads: ReadQueue
    /// The clock of all stored ages and due times (``WallClock/steady()``). Everything that
    /// compares with them must use this clock.
    public let clock: ContinuedClock
    private let pipelineTexts = PipelineTexts()
    private let setAside: SetAsideJobs
    private let board: EstimateBoard?
    private let deletionObservers = Mutex<[@Sendable () -> Void]>([])
    private let contentObservers = Mutex<[@Sendable () -> Void]>([])
    /// Held until the connections are closed. Releasing it lets the next daemon open the directory.
    private let lock: Mutex<DirectoryLock?>
    private let isClosing = Atomic(false)

    private init(
        path: String, pool: DatabasePool, checkpoints: WALCheckpoints, configuration: SQLiteConfiguration,
        writer: GroupCommitWriter, lock: DirectoryLock, epoch: Epoch, boot: BootInfo, clock: ContinuedClock,
        setAside: SetAsideJobs, board: EstimateBoard?
    ) {
        self.board = board
        self.setAside = setAside
        self.clock = clock
        self.path = path
        self.pool = pool
        reads = ReadQueue(pool: pool, width: configuration.readers)
        self.checkpoints = checkpoints
        self.configuration = configuration
        self.writer = writer
        self.lock = Mutex(lock)
        self.epoch = epoch
        self.boot = boot
    }

    /// Opens `longtake.db` in `directory`, creates both if they are missing, and puts the stages
    /// that the last boot left running back into their queues.
    /// - Parameter onFatal: called once if the disk fails in a COMMIT. Then the process must end,
    ///   and the next recovery decides what has happened.
    /// - Throws: ``StorageRefusal``.
    public static func open(
        directory: String, clock: any WallClock, logger: Logger, configuration: SQLiteConfiguration = .init(),
        onFatal: @escaping @Sendable (String) -> Void
    ) async throws -> SQLiteJournal {
        // Waiting for the lock or the disk would block a thread of the cooperative pool.
        let journal = try await withCheckedThrowingContinuation { caller in
            DispatchQueue.global().async {
                caller.resume(
                    with: Result {
                        try openBlocking(
                            directory, clock: clock, logger: logger, configuration: configuration, onFatal: onFatal)
                    })
            }
        }
        logger.info(
            "journal opened",
            metadata: [
                "epoch": "\(journal.epoch)", "boot": "\(journal.boot.number)",
                "sqlite": "\(journal.boot.sqliteVersion)",
                "recovered_stages": "\(journal.boot.recoveredStages.map(String.init) ?? "later")",
            ])
        if SQLiteVersion(journal.boot.sqliteVersion).hasWALResetBug {
            logger.warning(
                "this SQLite has the WAL-reset bug; the daemon avoids it, but no other program may write to the database while the daemon runs",
                metadata: ["sqlite": "\(journal.boot.sqliteVersion)"])
        }
        return journal
    }

    private static func openBlocking(
        _ directory: String, clock: any WallClock, logger: Logger, configuration: SQLiteConfiguration,
        onFatal: @escaping @Sendable (String) -> Void
    ) throws -> SQLiteJournal {
        let opening = StorageOpening(directory: directory, configuration: configuration)
        let lock = try opening.lock {
            logger.info(
                "another daemon still uses the directory; waiting until it ends",
                metadata: ["directory": "\(directory)", "at_most": "\(configuration.lockWait)"])
        }
        for failure in opening.makeFilesPrivate() {
            logger.warning(
                "other users may access a file of the data directory", metadata: ["error": "\(failure)"])
        }
        let (checkpoints, reserve) = (WALCheckpoints(), ReserveFile(directory: directory))
        let isWALMissing = opening.isWALMissing(lock)
        let pool = try opening.pool(checkpoints, reserve)
        do {
            if isWALMissing {
                // The positions that were lost with the WAL will be used again for other events. A
                // new epoch invalidates the old cursors.
                try pool.write(BootRecord.renew)
                logger.critical(
                    "longtake.db-wal was removed after a crash; unless another program ran a checkpoint, the last accepted changes are lost; all cursors are invalid now"
                )
            }
            lock.leave(.open)
            let setAside = SetAsideJobs(logger: logger)
            let boot = try BootSequence(
                pool: pool, clock: clock, reserve: reserve, queuedJobsPerTenant: configuration.queuedJobsPerTenant,
                setAside: setAside, workers: configuration.workers)
            let writer = GroupCommitWriter(
                pool: pool, ledger: boot.ledger, checkpoints: checkpoints, reserve: reserve,
                isRecovered: boot.recoveredStages != nil, logger: logger, onFatal: onFatal)
            return SQLiteJournal(
                path: opening.path, pool: pool, checkpoints: checkpoints, configuration: configuration, writer: writer,
                lock: lock,
                epoch: boot.ledger.epoch,
                boot: BootInfo(
                    number: boot.number, sqliteVersion: try SQLiteVersion.ofLibrary(pool),
                    recoveredStages: boot.recoveredStages), clock: boot.ledger.clock, setAside: setAside,
                board: boot.ledger.board)
        } catch let error as DatabaseError {
            throw StorageRefusal(reading: opening.path, failed: error)
        }
    }

    public var unreadableJobs: Int { setAside.count }

    public func tail(_ observer: @escaping @Sendable (TailNotice) -> Void) {
        writer.observe { [epoch] commit in
            if !commit.events.isEmpty { observer(TailNotice(epoch: epoch, .events(commit.events))) }
        }
    }

    public func observeWork(_ observer: @escaping @Sendable (WorkNotice) -> Void) {
        writer.observe { if !$0.work.isEmpty { observer($0.work) } }
    }

    public func submit(_ submission: Submission) async throws -> SubmissionOutcome {
        let encoded: EncodedSubmission
        do {
            encoded = try EncodedSubmission(submission, texts: pipelineTexts)
        } catch {
            throw JournalError.cannotPersist("\(error)")
        }
        return try await writer.perform(as: .submission) { try $0.submit(encoded, $1) }
    }

    public func replay(of key: String, tenant: TenantName, fingerprint: String) async throws -> SubmissionOutcome? {
        try await reads.read(for: tenant) { [epoch] in
            try JobReader(epoch: epoch).replay(of: key, tenant: tenant, fingerprint: fingerprint, $0)
        }
    }

    public func claim(queue: QueueName, limit: Int, for holder: HolderID) async throws -> ClaimResult {
        let result = try await writer.perform { try $0.claim(queue: queue, limit: limit, for: holder, $1) }
        if !result.claims.isEmpty { CrashPoint.reach(.afterClaim) }
        return result
    }

    public func report(_ report: StageReport, for claim: Claim) async throws -> ReportAnswer {
        do {
            let state = try await writer.perform(as: .report) { try $0.change(claim, by: .report(report), $1) }
            // If the job was set aside, the claim is no longer valid.
            return state == nil ? .lost : .goOn
        } catch JournalError.refused(.canceling) {
            return .canceling
        } catch JournalError.notOwner, JournalError.refused {
            return .lost
        }
    }

    /// Only this process uses the database, so its own lease needs no write.
    public func beat(_ holder: HolderID) async throws -> LeaseAnswer {
        try await writer.perform { ledger, _ in ledger.gone.contains(holder) ? .gone : .held }
    }

    @discardableResult
    public func declareGone(_ holder: HolderID) async throws -> Int {
        try await writer.perform(as: .critical) { try $0.declareGone(holder, $1) }
    }

    public func finish(_ claim: Claim, with outcome: StageOutcome) async throws -> JobState {
        let state = try await writer.perform(as: .critical) { try $0.change(claim, by: outcome.command, $1) }
        guard let state else { throw JournalError.notOwner }
        return state
    }

    public func cancel(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        try await writer.perform(as: .critical, for: configuration.cancelPatience) {
            try $0.cancel(job, of: tenant, $1)
        }
    }

    public func delete(_ job: JobID, of tenant: TenantName) async throws {
        // The writer calls this, not the caller: if the caller was told that the outcome is
        // unknown, the rows must still be removed.
        let notify: @Sendable () -> Void = { [self] in
            for observer in deletionObservers.withLock({ $0 }) { observer() }
            notifyOfUnusedContent()
        }
        try await writer.perform(as: .critical, for: configuration.cancelPatience, whenDurable: notify) {
            try $0.delete(job, of: tenant, $1)
        }
    }

    public func job(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        try await reads.read(for: tenant) { [epoch, board] in
            try JobReader(epoch: epoch, board: board).job(job, of: tenant, $0)
        }
    }

    public func jobs(_ query: JobQuery) async throws -> JobPage {
        try await reads.read(for: query.tenant) { [epoch] in try JobReader(epoch: epoch).jobs(query, $0) }
    }

    public func events(
        of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int
    ) async throws -> EventPage? {
        try await reads.read(for: tenant) { [epoch] in
            try EventReader(epoch: epoch).page(of: job, tenant: tenant, after: after, limit: limit, $0)
        }
    }

    public func events(_ query: FeedQuery) async throws -> FeedPage {
        try await reads.read(for: query.tenant) { [epoch] in try FeedReader(epoch: epoch).page(query, $0) }
    }

    public func queues(of tenant: TenantName?) async throws -> [QueueStatus] {
        try await reads.read(for: tenant) { try QueueReader().queues(of: tenant, $0) }
    }

    public func pause(_ queue: QueueName) async throws {
        try await writer.perform(as: .critical, for: configuration.cancelPatience) { try $0.pause(queue, $1) }
    }

    public func resume(_ queue: QueueName) async throws {
        try await writer.perform(as: .critical, for: configuration.cancelPatience) { try $0.resume(queue, $1) }
    }

    /// Writes, because only a write shows if the disk accepts one.
    public func checkWritable() async throws {
        try await writer.perform(as: .probe) { ledger, db in try BootRecord.probe(db, at: ledger.clock.now()) }
    }

    /// As ``close(within:)``, with a limit that is reached only if the disk hangs.
    /// - Throws: ``JournalError/unanswered`` if the limit is reached. Then the storage is still in
    ///   use.
    public func close() async throws {
        guard try await close(within: Self.closeWait) else { throw JournalError.unanswered }
    }

    /// An interrupted read ends within milliseconds, and a checkpoint within seconds. A busy
    /// machine may start their threads late.
    private static let closeWait: Duration = .seconds(60)

    /// Ends the reads and then the writer, runs a checkpoint, and closes the connections.
    ///
    /// Calls that may block in the kernel run on their own threads. So if the disk hangs, the
    /// caller waits only until the limit.
    /// - Parameter limit: how long this waits at most.
    /// - Returns: whether the connections are closed. If not, a read or a checkpoint still uses
    ///   them, and the process must end without returning from `main`. Every commit is durable, but
    ///   commands that still wait for the disk are lost without an answer.
    /// - Throws: the error of closing the connections.
    public func close(within limit: Duration) async throws -> Bool {
        guard !isClosing.exchange(true, ordering: .acquiringAndReleasing) else { return lock.withLock { $0 == nil } }
        let end = ContinuousClock.now + limit
        // The reads end first, so that no reader prevents the checkpoint.
        let isIdle = await reads.close(within: limit)
        // If a read does not end, the writer's last commands still get some time.
        let isWritten = await writer.close(within: max(end - .now, Self.leastWriterWait))
        // Otherwise the lock stays: no other process may open the directory while a connection is
        // in use.
        guard isIdle, isWritten else { return false }
        let closing = FirstResult<Bool>()
        DispatchQueue.global().async { [self] in
            let result = Result {
                // `closed` means that nothing is lost if somebody removes the WAL. After a failed
                // checkpoint that is not so, unless closing the last connection runs it.
                let hasEmptyWAL = { [path] in WALFiles(of: path).walBytes == 0 }
                if hasEmptyWAL() { lock.withLock { $0?.leave(.closed) } }
                try pool.close()
                if hasEmptyWAL() { lock.withLock { $0?.leave(.closed) } }
                return true
            }
            // Release the lock before the caller continues, which may open the directory at once.
            lock.withLock { $0 = nil }
            closing.give(result)
        }
        closing.give(.success(false), after: max(end - .now, Self.leastWriterWait))
        return try await closing.value()
    }

    private static let leastWriterWait: Duration = .milliseconds(500)

    /// Runs work that no caller waits for, in its own transaction between those of callers.
    /// Observers do not see what it writes.
    func maintain<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        try await writer.perform(as: .maintenance) { try body($1) }
    }

    /// Calls `observer` on the writer when the database may have grown by some megabytes since the
    /// last call.
    func observeGrowth(_ observer: @escaping @Sendable () -> Void) { writer.observeGrowth(observer) }

    /// Calls `observer` on the writer after a job was deleted. Its rows must still be removed.
    func observeDeletions(_ observer: @escaping @Sendable () -> Void) {
        deletionObservers.withLock { $0.append(observer) }
    }

    /// Calls `observer` on the writer after a change that may have left unused content, except for
    /// changes of the pruner. It must be fast.
    public func observeUnusedContent(_ observer: @escaping @Sendable () -> Void) {
        contentObservers.withLock { $0.append(observer) }
    }

    @Sendable func notifyOfUnusedContent() { for observer in contentObservers.withLock({ $0 }) { observer() } }

    /// Runs a read that takes minutes. It keeps SQLite from restarting the WAL, so no checkpoint
    /// waits for it.
    func whileReadForLong<Value>(_ body: () throws -> Value) rethrows -> Value {
        checkpoints.longReads.add(1, ordering: .relaxed)
        defer { checkpoints.longReads.subtract(1, ordering: .relaxed) }
        return try body()
    }

    /// For tests that check the settings of the writer's connection.
    func inspectWriter<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) throws -> Value {
        try pool.unsafeReentrantWrite(body)
    }

    /// For tests that hold a connection: a read like the daemon's own.
    func inspectReader<Value: Sendable>(
        for tenant: TenantName? = nil, _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws -> Value {
        try await reads.read(for: tenant, body)
    }

    /// The number of reads that wait for a connection.
    var readsWaiting: Int { reads.waiting }
}
