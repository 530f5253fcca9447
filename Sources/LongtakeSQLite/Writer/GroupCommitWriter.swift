import Dispatch
import GRDB
import Logging
import LongtakeCore
import Synchronization

/// Carries out what has gathered in one transaction: judge, write, COMMIT, tell the observers, resume the callers.
///
/// Unchecked, because the ledger and the backoff are touched on the pool's writer queue only, which is serial.
final class GroupCommitWriter: @unchecked Sendable {
    private let pool: DatabasePool
    private let ledger: JobLedger
    private let wal: WALPages
    private let room: RoomKeeper
    private let waiting: WaitingCommands
    private let observers = Mutex<[@Sendable (Commit) -> Void]>([])
    private let growthObservers = Mutex<[@Sendable () -> Void]>([])
    private let onFatal: @Sendable (String) -> Void
    private let began = ContinuousClock.now
    private var gathering = GatherPlan()
    /// Given when gathering is to stop.
    private let hurry = Bell()
    private var pauseMilliseconds = 0
    /// A timer runs for all that is parked.
    private var isRetryDue = false
    /// Set when the outcome of a commit became unknown: from then on nothing is carried out or told.
    private var lost: JournalError?
    /// `false` while the disk is too full to count the boot and to recover, before which nothing else may be written.
    private var hasBegun: Bool
    /// The connection is not to be used any more.
    private var isClosed = false

    init(
        pool: DatabasePool, ledger: JobLedger, wal: WALPages, reserve: Reserve, hasBegun: Bool, logger: Logger,
        onFatal: @escaping @Sendable (String) -> Void
    ) {
        self.pool = pool
        self.ledger = ledger
        self.wal = wal
        self.hasBegun = hasBegun
        self.onFatal = onFatal
        waiting = WaitingCommands(logger: logger)
        room = RoomKeeper(reserve: reserve, logger: logger)
        if let obstacle = hasBegun ? room.keep() : RoomKeeper.full { fill(obstacle) }
    }

    func observe(_ observer: @escaping @Sendable (Commit) -> Void) { observers.withLock { $0.append(observer) } }

    /// Calls `observer` on the writer whenever the database may have grown by some megabytes since the last time.
    func observeGrowth(_ observer: @escaping @Sendable () -> Void) { growthObservers.withLock { $0.append(observer) } }

    /// Waits until the command is durable; a vital one on a full disk until it is, or for `patience`. What a request asks for does not wait
    /// for a disk that does not answer: it throws ``JournalError/unanswered`` where it is under way.
    ///
    /// `whenDurable` is called on the writer before this returns, and also where it has thrown that and the command is durable later.
    ///
    /// Cancelling the caller's task does not take the command back: nobody could tell how far it was.
    func perform<Value: Sendable>(
        as kind: CommandKind = .other, for patience: Duration? = nil,
        whenDurable: @escaping @Sendable () -> Void = {},
        _ body: @escaping @Sendable (JobLedger, Database) throws -> Value
    ) async throws -> Value {
        let caller = FirstResult<Value>()
        let deadline = patience.map { ContinuousClock.now + $0 }
        let command = WriteCommand(kind, deadline: deadline, for: caller, whenDurable: whenDurable, body)
        do {
            perform(try waiting.add(command))
        } catch {
            caller.give(.failure(error))
        }
        return try await caller.value()
    }

    private func perform(_ wake: CommandLanes<WriteCommand>.Wake) {
        switch wake {
        case .nothing: break
        case .start: schedule()
        case .hurry: hurry.ring()
        }
    }

    /// Carries out what waits, then lets the writer's connection be used for the last time.
    /// - Returns: whether the connection is not used any more; `false` if the disk took longer than `limit`.
    func close(within limit: Duration) async -> Bool {
        _ = waiting.refuse(with: .closed, abandoning: false)
        let ended = FirstResult<Bool>()
        pool.asyncWriteWithoutTransaction { db in
            _ = self.waiting.unpark()
            while self.step(db) {}
            for command in self.waiting.refuse(with: .closed, abandoning: true) {
                command.fail(JournalError.cannotPersist("the disk was full until the end"))
            }
            // The last chance to fold the log in; where a reader is in the way, the next boot does it.
            if self.lost == nil { _ = try? db.checkpoint(.truncate) }
            self.ledger.close()
            self.isClosed = true
            ended.give(.success(true))
        }
        ended.give(.success(false), after: limit)
        return (try? await ended.value()) ?? false
    }

    /// A batch a turn, so that whatever else needs the writer's connection gets in between.
    private func schedule() {
        pool.asyncWriteWithoutTransaction { db in
            if self.step(db) { self.schedule() }
        }
    }

    /// - Returns: whether there may be more to do.
    private func step(_ db: Database) -> Bool {
        if gathering.isBusy, waiting.gather() {
            // On the writer's own thread, which has nothing else to do. A ring that came too late shortens a later wait, once.
            hurry.wait(milliseconds: GatherPlan.pauseMilliseconds)
        }
        let batch = waiting.take()
        guard !batch.isEmpty else { return false }
        defer { waiting.done() }
        gathering.took(batch.count, at: began.duration(to: .now))
        if room.isFull || !hasBegun {
            carryOutSingly(batch, db)
            // So that the log begins anew rather than taking what is left of the reserve.
            _ = try? db.checkpoint(.passive)
        } else if let error = transact(batch, db) {
            if CommitFailure.isFull(error) {
                fill(RoomKeeper.full)
                room.makeRoom(db)
                carryOutSingly(batch, db)
            } else if batch.count == 1 {
                giveUp(batch[0], error)
            } else {
                carryOutSingly(batch, db)
            }
        }
        let isGrown = waiting.whileWriting { wal.checkpointIfDue(db) }
        if isGrown {
            for observer in growthObservers.withLock({ $0 }) { observer() }
        }
        return true
    }

    /// After a batch has failed, so that one command does not take others with it.
    private func carryOutSingly(_ batch: [WriteCommand], _ db: Database) {
        for command in batch {
            if let lost {
                command.fail(lost)
            } else if room.isFull, !command.kind.mayUseReserve {
                command.fail(JournalError.cannotPersist(room.obstacle ?? RoomKeeper.full))
            } else if !hasBegun {
                giveUp(command, DatabaseError(resultCode: .SQLITE_FULL))
            } else if let error = transact([command], db) {
                giveUp(command, error)
            }
        }
    }

    /// The disk is full, or something else is in the way: from here on only what ends work is written, until it is gone.
    private func fill(_ obstacle: String) {
        room.fill(obstacle)
        waiting.close(because: .cannotPersist(obstacle))
        lookForRoom()
    }

    private func lookForRoom() {
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(RoomKeeper.retryMilliseconds)) {
            self.pool.asyncWriteWithoutTransaction { db in
                guard self.lost == nil, !self.isClosed else { return }
                if self.takeBackRoom() == RoomKeeper.full { self.giveBackPages(db) }
                if let obstacle = self.takeBackRoom() ?? self.begin(db) { return self.fill(obstacle) }
                guard self.lost == nil else { return }
                self.room.isBack()
                self.perform(self.waiting.reopen())
            }
        }
    }

    private func takeBackRoom() -> String? { waiting.whileWriting { room.takeBack() } }

    /// Gives what pruning has freed within the file back to the file system.
    private func giveBackPages(_ db: Database) {
        let command = WriteCommand(kind: .chore) { _, db in
            try db.execute(sql: "PRAGMA incremental_vacuum(\(Limits.pagesPerShrink))")
            return {}
        } fail: { _ in
        }
        // Where there is no room even for this, the next look comes.
        if transact([command], db) == nil { room.makeRoom(db) }
    }

    /// Does what a boot does first, where there was no room for it until now.
    /// - Returns: what is in the way.
    private func begin(_ db: Database) -> String? {
        guard !hasBegun else { return nil }
        // A sync that failed for lack of room may have taken from the disk what the log has in memory: it is written again.
        room.makeRoom(db)
        let command = WriteCommand(kind: .vital) { [logger = room.logger] ledger, db in
            let recovered = try BootSequence.run(ledger, db)
            return { logger.notice("the database is recovered", metadata: ["recovered_stages": "\(recovered)"]) }
        } fail: { _ in
        }
        if let error = transact([command], db) {
            return CommitFailure.isFull(error) ? RoomKeeper.full : CommitFailure.reason(error)
        }
        hasBegun = lost == nil
        return nil
    }

    /// - Returns: the error that stopped the batch before it was durable, so that nothing of it has happened.
    private func transact(_ batch: [WriteCommand], _ db: Database) -> (any Error)? {
        waiting.whileWriting { carryOut(batch, db) }
    }

    private func carryOut(_ batch: [WriteCommand], _ db: Database) -> (any Error)? {
        var answers: [@Sendable () -> Void] = []
        do {
            try db.beginTransaction(.immediate)
            for command in batch {
                do {
                    answers.append(try command.run(ledger, db))
                } catch let error as JournalError {
                    // Judged before anything was written, so the transaction goes on without it.
                    answers.append { command.fail(error) }
                }
            }
            try ledger.completeTransaction(db)
            CrashPoint.reach(.beforeCommit)
        } catch let corrupt as JobLedger.CorruptJob {
            undo(db)
            return carryOut(batch, without: corrupt, db)
        } catch {
            let error = CommitFailure.naming(error, on: db)
            undo(db)
            return error
        }
        do {
            try db.commit()
        } catch {
            let error = CommitFailure.naming(error, on: db, nobodyIsTold: !hasBegun)
            guard CommitFailure.outcomeIsKnown(error) else {
                undo(db)
                abandon(batch, error)
                return nil
            }
            undo(db)
            return error
        }
        CrashPoint.reach(.afterCommit)
        pauseMilliseconds = 0
        let commit = ledger.takeCommit()
        if !commit.isEmpty {
            for observer in observers.withLock({ $0 }) { observer(commit) }
        }
        CrashPoint.reach(.afterPublishing)
        for answer in answers { answer() }
        return nil
    }

    /// Sets a job aside whose page is corrupt, in a transaction of its own that may fail as any other, and
    /// carries the batch out again.
    /// - Returns: as ``carryOut(_:_:)``.
    private func carryOut(
        _ batch: [WriteCommand], without corrupt: JobLedger.CorruptJob, _ db: Database
    ) -> (any Error)? {
        guard ledger.maySetAside(corrupt) else { return corrupt.cause }
        for extent in JobLedger.Extent.ofCorruptJob {
            let command = WriteCommand(kind: .vital) { ledger, db in
                try ledger.setAside(corrupt, extent, db)
                return {}
            } fail: { _ in
            }
            let failure = carryOut([command], db)
            if let lost {
                for command in batch { command.fail(lost) }
                return nil
            }
            if failure == nil { return carryOut(batch, db) }
        }
        return corrupt.cause
    }

    private func undo(_ db: Database) {
        ledger.forget()
        // A full disk may have ended the transaction already.
        if db.isInsideTransaction { try? db.rollback() }
    }

    private func giveUp(_ command: WriteCommand, _ error: any Error) {
        let isInTime = command.deadline.map { .now < $0 } ?? true
        guard command.kind == .vital, isInTime, CommitFailure.mayPass(error) else {
            return command.fail(JournalError.cannotPersist(CommitFailure.reason(error)))
        }
        waiting.park(command)
        guard !isRetryDue else { return }
        isRetryDue = true
        pauseMilliseconds = min(2_000, max(50, pauseMilliseconds * 2))
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(pauseMilliseconds)) {
            self.pool.asyncWriteWithoutTransaction { _ in
                guard !self.isClosed else { return }
                self.isRetryDue = false
                self.perform(self.waiting.unpark())
            }
        }
    }

    /// The disk failed in COMMIT: what is on it nobody knows before recovery has looked, so nobody is told anything.
    private func abandon(_ batch: [WriteCommand], _ error: any Error) {
        let unknown = JournalError.outcomeUnknown("\(error)")
        lost = unknown
        let hopeless = waiting.refuse(with: unknown, abandoning: true)
        onFatal("the disk failed while committing: \(error)")
        for command in batch + hopeless { command.fail(unknown) }
    }
}
