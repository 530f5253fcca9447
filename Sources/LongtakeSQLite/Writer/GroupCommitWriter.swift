import Dispatch
import GRDB
import Logging
import LongtakeCore
import LongtakeStorage
import Synchronization

/// Runs the waiting commands as one transaction: plan, write, COMMIT, call the observers, answer
/// the callers. A ``CommitPolicy`` decides what happens when a transaction fails.
///
/// The conformance to `Sendable` is unchecked: all mutable state is used only on the pool's writer
/// queue, which is serial.
final class GroupCommitWriter: @unchecked Sendable {
    private let pool: DatabasePool
    private let ledger: JobLedger
    private let checkpoints: WALCheckpoints
    private let reserve: DiskReserve
    private let waiting: WaitingCommands
    private let observers = Mutex<[@Sendable (Commit) -> Void]>([])
    private let growthObservers = Mutex<[@Sendable () -> Void]>([])
    private let logger: Logger
    private let onFatal: @Sendable (String) -> Void
    private let began = ContinuousClock.now
    private var gathering = GatherPlan()
    /// Ends the pause in which the writer collects more reports for one commit.
    private let hurry = WakeUpPipe()
    private var policy: CommitPolicy
    /// Set when ``close(within:)`` has finished. Then nothing may use the connection.
    private var isClosed = false

    /// - Parameter isRecovered: `false` if the disk was too full for recovery.
    init(
        pool: DatabasePool, ledger: JobLedger, checkpoints: WALCheckpoints, reserve: ReserveFile, isRecovered: Bool,
        logger: Logger, onFatal: @escaping @Sendable (String) -> Void
    ) {
        self.pool = pool
        self.ledger = ledger
        self.checkpoints = checkpoints
        self.logger = logger
        self.onFatal = onFatal
        policy = CommitPolicy(isRecovered: isRecovered)
        waiting = WaitingCommands(logger: logger)
        self.reserve = DiskReserve(reserve, logger: logger)
        let failure = isRecovered ? self.reserve.allocate() : TransactionFailure.diskFull
        if let failure { block(failure) }
    }

    func observe(_ observer: @escaping @Sendable (Commit) -> Void) { observers.withLock { $0.append(observer) } }

    /// Calls `observer` on the writer when the database may have grown by some megabytes since the
    /// last call.
    func observeGrowth(_ observer: @escaping @Sendable () -> Void) { growthObservers.withLock { $0.append(observer) } }

    /// Runs a command and waits until it is durable.
    ///
    /// If the disk is full, a critical command waits until it is durable, or for `patience`. If the
    /// disk stops responding while the transaction of a client's command runs, this throws
    /// ``JournalError/unanswered``. Cancelling the caller's task does not withdraw the command,
    /// because the writer may be running it.
    /// - Parameter whenDurable: called on the writer when the command is durable, and before this
    ///   function returns. It is also called if this function has already thrown
    ///   ``JournalError/unanswered``.
    func perform<Value: Sendable>(
        as kind: CommandKind = .normal, for patience: Duration? = nil,
        whenDurable: @escaping @Sendable () -> Void = {},
        _ body: @escaping @Sendable (JobLedger, Database) throws -> Value
    ) async throws -> Value {
        let caller = FirstResult<Value>()
        let deadline = patience.map { ContinuousClock.now + $0 }
        let command = WriteCommand(kind, deadline: deadline, for: caller, whenDurable: whenDurable, body)
        do {
            wake(try waiting.add(command))
        } catch {
            caller.give(.failure(error))
        }
        return try await caller.value()
    }

    private func wake(_ wake: WriterWake) {
        switch wake {
        case .nothing: break
        case .start: schedule()
        case .hurry: hurry.signal()
        }
    }

    /// Runs all waiting commands. Afterwards it does not use the connection any more.
    /// - Returns: `false` if the disk took longer than `limit`, so that the connection is still in
    ///   use.
    func close(within limit: Duration) async -> Bool {
        waiting.refuse(with: .closed)
        let ended = FirstResult<Bool>()
        pool.asyncWriteWithoutTransaction { db in
            _ = self.waiting.unpark()
            while self.step(db) {}
            for command in self.waiting.abandon(with: .closed) {
                command.fail(JournalError.cannotPersist("the disk was full until the shutdown"))
            }
            // The last checkpoint. If a reader prevents it, the next boot runs it.
            if self.policy.lost == nil { self.checkpoint(.truncate, db) }
            self.ledger.close()
            self.isClosed = true
            ended.give(.success(true))
        }
        ended.give(.success(false), after: limit)
        return (try? await ended.value()) ?? false
    }

    /// One batch per turn, so that other users of the writer's connection run in between.
    private func schedule() {
        pool.asyncWriteWithoutTransaction { db in
            if self.step(db) { self.schedule() }
        }
    }

    /// - Returns: whether there may be more to do.
    private func step(_ db: Database) -> Bool {
        if gathering.isBusy, waiting.gather() {
            // This blocks the writer's queue for a few milliseconds. A signal that arrives after
            // the wait ends the next wait early.
            hurry.wait(milliseconds: GatherPlan.pauseMilliseconds)
        }
        let batch = waiting.take()
        guard !batch.isEmpty else { return false }
        defer { waiting.finishBatch() }
        gathering.record(batch.count, at: began.duration(to: .now))
        if policy.runsSingly {
            runSingly(batch, db)
            // So that SQLite restarts the WAL instead of using up the rest of the reserve.
            checkpoint(.passive, db)
        } else if let failure = transact(batch, db) {
            switch policy.next(after: failure, ofBatchOf: batch.count) {
            case .freeSpace:
                blockAndFreeSpace(db)
                runSingly(batch, db)
            case .runSingly: runSingly(batch, db)
            // The policy returns this only for a batch of one command.
            case .failOrPark: failOrPark(batch[0], failure)
            }
        }
        let hasGrown = waiting.whileAccessingDisk { checkpoints.runIfDue(db) }
        if hasGrown {
            for observer in growthObservers.withLock({ $0 }) { observer() }
        }
        return true
    }

    private func runSingly(_ batch: [WriteCommand], _ db: Database) {
        for command in batch {
            switch policy.single(command.kind) {
            case .run:
                guard let failure = transact([command], db) else { continue }
                if policy.mustBlock(after: failure) { blockAndFreeSpace(db) }
                failOrPark(command, failure)
            case .fail(let error): command.fail(error)
            case .failOrPark(let failure): failOrPark(command, failure)
            }
        }
    }

    /// Fails a command, or parks it for a retry.
    private func failOrPark(_ command: WriteCommand, _ failure: TransactionFailure) {
        let isExpired = command.deadline.map { .now >= $0 } ?? false
        switch policy.failOrPark(command.kind, failure, isExpired: isExpired) {
        case .fail(let error): command.fail(error)
        case .park(let milliseconds):
            waiting.park(command)
            guard let milliseconds else { return }
            DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(milliseconds)) {
                self.pool.asyncWriteWithoutTransaction { _ in
                    guard !self.isClosed else { return }
                    self.policy.retry()
                    self.wake(self.waiting.unpark())
                }
            }
        }
    }

    // MARK: Full disk

    /// Releases the reserve. From here on the writer accepts only critical and maintenance
    /// commands, until the storage has space again.
    private func block(_ reason: String) {
        reserve.release(because: reason, isNew: policy.block(because: reason))
        waiting.block(with: .cannotPersist(reason))
        checkSpaceLater()
    }

    private func blockAndFreeSpace(_ db: Database) {
        block(TransactionFailure.diskFull)
        checkpoint(.truncate, db)
    }

    private func checkSpaceLater() {
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(DiskReserve.retryMilliseconds)) {
            self.pool.asyncWriteWithoutTransaction { self.checkSpace($0) }
        }
    }

    private func checkSpace(_ db: Database) {
        guard policy.lost == nil, !isClosed else { return }
        if restoreReserve() == TransactionFailure.diskFull { shrink(db) }
        if let reason = restoreReserve() ?? recover(db) { return block(reason) }
        guard policy.lost == nil else { return }
        policy.unblock()
        reserve.logRestored()
        wake(waiting.unblock())
    }

    /// - Returns: the reason of the failure; `nil` on success.
    private func restoreReserve() -> String? { waiting.whileAccessingDisk { reserve.restore() } }

    /// Shrinks the database file: gives the file system the free pages that pruning has left in it.
    private func shrink(_ db: Database) {
        let command = WriteCommand(kind: .maintenance) { _, db in
            try db.execute(sql: "PRAGMA incremental_vacuum(\(SQLiteLimits.pagesPerShrink))")
            return {}
        } fail: { _ in
        }
        // If there is no space even for this, the next check tries again.
        if transact([command], db) == nil { checkpoint(.truncate, db) }
    }

    /// Runs recovery if there was no space for it at startup.
    /// - Returns: the reason of the failure; `nil` on success.
    private func recover(_ db: Database) -> String? {
        guard !policy.isRecovered else { return nil }
        // If a sync failed for lack of space, the disk may lack data that the kernel has in its
        // page cache. The checkpoint writes it again.
        checkpoint(.truncate, db)
        let command = WriteCommand(kind: .critical) { [logger] ledger, db in
            let stages = try BootSequence.run(ledger, db)
            return { logger.notice("the database is recovered", metadata: ["recovered_stages": "\(stages)"]) }
        } fail: { _ in
        }
        if let failure = transact([command], db) {
            return failure.kind == .noSpace ? TransactionFailure.diskFull : failure.reason
        }
        if policy.lost == nil { policy.recovered() }
        return nil
    }

    /// A checkpoint that fails loses nothing: the next one writes the same pages.
    private func checkpoint(_ mode: Database.CheckpointMode, _ db: Database) {
        waiting.whileAccessingDisk { _ = try? db.checkpoint(mode) }
    }

    // MARK: One transaction

    /// The end of one transaction.
    private enum Outcome {
        case durable(Commit, answers: [@Sendable () -> Void])
        /// It was rolled back.
        case failed(TransactionFailure)
        /// It was rolled back, because a page of this job is corrupt.
        case corrupt(JobLedger.CorruptJob)
        /// Only the next recovery can tell whether COMMIT took effect.
        case unknown(any Error)
    }

    /// Runs a transaction, then calls the observers and answers the callers.
    /// - Returns: why nothing of the batch has happened; `nil` if it is durable or its outcome is
    ///   unknown.
    private func transact(_ batch: [WriteCommand], _ db: Database) -> TransactionFailure? {
        // The watchdog watches the disk only, not the observers.
        switch waiting.whileAccessingDisk({ commit(batch, db) }) {
        case .durable(let commit, let answers):
            policy.committed()
            if !commit.isEmpty {
                for observer in observers.withLock({ $0 }) { observer(commit) }
            }
            CrashPoint.reach(.afterPublishing)
            for answer in answers { answer() }
            return nil
        case .failed(let failure): return failure
        case .corrupt(let job): return setAside(job, thenTransact: batch, db)
        case .unknown(let error):
            lose(batch, error)
            return nil
        }
    }

    private func commit(_ batch: [WriteCommand], _ db: Database) -> Outcome {
        var answers: [@Sendable () -> Void] = []
        do {
            try db.beginTransaction(.immediate)
            for command in batch {
                do {
                    answers.append(try command.run(ledger, db))
                } catch let error as JournalError {
                    // The plan was rejected before anything was written, so the transaction
                    // continues.
                    answers.append { command.fail(error) }
                }
            }
            try ledger.completeTransaction(db)
            CrashPoint.reach(.beforeCommit)
        } catch let corrupt as JobLedger.CorruptJob {
            undo(db)
            return .corrupt(corrupt)
        } catch {
            let error = CommitFailure.naming(error, on: db)
            undo(db)
            return .failed(CommitFailure.failure(error))
        }
        do {
            try db.commit()
        } catch {
            let error = CommitFailure.naming(error, on: db, mayRepeat: !policy.isRecovered)
            undo(db)
            return CommitFailure.outcomeIsKnown(error) ? .failed(CommitFailure.failure(error)) : .unknown(error)
        }
        CrashPoint.reach(.afterCommit)
        return .durable(ledger.takeCommit(), answers: answers)
    }

    /// Sets the job with the corrupt page aside in a separate transaction, then runs the whole
    /// batch again.
    /// - Returns: as ``transact(_:_:)``.
    private func setAside(
        _ corrupt: JobLedger.CorruptJob, thenTransact batch: [WriteCommand], _ db: Database
    ) -> TransactionFailure? {
        guard ledger.beginSetAside(of: corrupt) else { return CommitFailure.failure(corrupt.cause) }
        var lastFailure = CommitFailure.failure(corrupt.cause)
        for extent in JobLedger.Extent.ofCorruptJob {
            let command = WriteCommand(kind: .critical) { ledger, db in
                try ledger.setAside(corrupt, extent, db)
                return {}
            } fail: { _ in
            }
            let failure = transact([command], db)
            if let lost = policy.lost {
                for command in batch { command.fail(lost) }
                return nil
            }
            guard let failure else { return transact(batch, db) }
            // A full disk says nothing about the job, so this attempt does not count.
            guard failure.kind == .permanent else {
                ledger.forgetSetAside(of: corrupt)
                return failure
            }
            lastFailure = failure
        }
        return lastFailure
    }

    private func undo(_ db: Database) {
        ledger.forget()
        // SQLite may have ended the transaction already because the disk was full.
        if db.isInsideTransaction { try? db.rollback() }
    }

    /// COMMIT failed with an unknown outcome. Only the next recovery can tell it, so the process
    /// must end.
    private func lose(_ batch: [WriteCommand], _ error: any Error) {
        let unknown = policy.lose("\(error)")
        let waiting = waiting.abandon(with: unknown)
        onFatal("the disk failed while committing: \(error)")
        for command in batch + waiting { command.fail(unknown) }
    }
}
