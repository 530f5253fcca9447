import Dispatch
import GRDB
import LongtakeCore
import Synchronization

/// Carries out what has gathered in one transaction: judge, write, COMMIT, tell the observers, resume the callers.
///
/// Unchecked, because the ledger and the backoff are touched on the pool's writer queue only, which is serial; the lanes are behind a mutex.
final class GroupCommitWriter: @unchecked Sendable {
    private let pool: DatabasePool
    private let ledger: JobLedger
    private let wal: WALPages
    private let lanes = Mutex(CommandLanes<WriteCommand>())
    private let observers = Mutex<[@Sendable (Commit) -> Void]>([])
    private let growthObservers = Mutex<[@Sendable () -> Void]>([])
    private let onFatal: @Sendable (String) -> Void
    private let began = ContinuousClock.now
    private var gathering = GatherPlan()
    /// Given when gathering is to stop.
    private let hurry = Bell()
    private var pauseMilliseconds = 0
    /// Set when the outcome of a commit became unknown: from then on nothing is carried out or told.
    private var lost: JournalError?

    init(pool: DatabasePool, ledger: JobLedger, wal: WALPages, onFatal: @escaping @Sendable (String) -> Void) {
        self.pool = pool
        self.ledger = ledger
        self.wal = wal
        self.onFatal = onFatal
    }

    func observe(_ observer: @escaping @Sendable (Commit) -> Void) { observers.withLock { $0.append(observer) } }

    /// Calls `observer` on the writer whenever the database may have grown by some megabytes since the last time.
    func observeGrowth(_ observer: @escaping @Sendable () -> Void) { growthObservers.withLock { $0.append(observer) } }

    /// Waits until the command is durable. Cancelling the caller's task does not take the command back: nobody could tell how far it was.
    func perform<Value: Sendable>(
        as kind: CommandKind = .other, isVital: Bool = false,
        _ body: @escaping @Sendable (JobLedger, Database) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { (caller: CheckedContinuation<Value, any Error>) in
            let command = WriteCommand(isVital: isVital) { ledger, db in
                let value = try body(ledger, db)
                return { caller.resume(returning: value) }
            } fail: {
                caller.resume(throwing: $0)
            }
            do {
                perform(try lanes.withLock { try $0.add(command, as: kind) })
            } catch {
                caller.resume(throwing: error)
            }
        }
    }

    private func perform(_ wake: CommandLanes<WriteCommand>.Wake) {
        switch wake {
        case .nothing: break
        case .start: schedule()
        case .hurry: hurry.ring()
        }
    }

    /// Carries out what waits, then lets the writer's connection be used for the last time.
    func close() async {
        _ = lanes.withLock { $0.refuse(with: .closed, abandoning: false) }
        await withCheckedContinuation { caller in
            pool.asyncWriteWithoutTransaction { db in
                _ = self.lanes.withLock { $0.unpark() }
                while self.step(db) {}
                for command in self.lanes.withLock({ $0.refuse(with: .closed, abandoning: true) }) {
                    command.fail(JournalError.cannotPersist("the disk was full until the end"))
                }
                // The last chance to fold the log in; where a reader is in the way, the next boot does it.
                _ = try? db.checkpoint(.truncate)
                self.ledger.close()
                caller.resume()
            }
        }
    }

    /// A batch a turn, so that whatever else needs the writer's connection gets in between.
    private func schedule() {
        pool.asyncWriteWithoutTransaction { db in
            if self.step(db) { self.schedule() }
        }
    }

    /// - Returns: whether there may be more to do.
    private func step(_ db: Database) -> Bool {
        if gathering.isBusy, lanes.withLock({ $0.gather() }) {
            // On the writer's own thread, which has nothing else to do. A ring that came too late shortens a later wait, once.
            hurry.wait(milliseconds: GatherPlan.pauseMilliseconds)
        }
        let batch = lanes.withLock { $0.take() }
        guard !batch.isEmpty else { return false }
        gathering.took(batch.count, at: began.duration(to: .now))
        if let error = transact(batch, db) {
            if batch.count == 1 {
                giveUp(batch[0], error)
            } else {
                for command in batch {
                    if let lost {
                        command.fail(lost)
                    } else if let error = transact([command], db) {
                        giveUp(command, error)
                    }
                }
            }
        }
        if wal.checkpointIfDue(db) {
            for observer in growthObservers.withLock({ $0 }) { observer() }
        }
        return true
    }

    /// - Returns: the error that stopped the batch before it was durable, so that nothing of it has happened.
    private func transact(_ batch: [WriteCommand], _ db: Database) -> (any Error)? {
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
        } catch {
            undo(db)
            return error
        }
        do {
            try db.commit()
        } catch {
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
        if !commit.events.isEmpty || !commit.readyQueues.isEmpty {
            for observer in observers.withLock({ $0 }) { observer(commit) }
        }
        CrashPoint.reach(.afterPublishing)
        for answer in answers { answer() }
        return nil
    }

    private func undo(_ db: Database) {
        ledger.forget()
        // A full disk may have ended the transaction already.
        if db.isInsideTransaction { try? db.rollback() }
    }

    private func giveUp(_ command: WriteCommand, _ error: any Error) {
        guard command.isVital, CommitFailure.mayPass(error) else {
            return command.fail(JournalError.cannotPersist("\(error)"))
        }
        lanes.withLock { $0.park([command]) }
        pauseMilliseconds = min(2_000, max(50, pauseMilliseconds * 2))
        DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(pauseMilliseconds)) {
            self.perform(self.lanes.withLock { $0.unpark() })
        }
    }

    /// The disk failed in COMMIT: what is on it nobody knows before recovery has looked, so nobody is told anything.
    private func abandon(_ batch: [WriteCommand], _ error: any Error) {
        let unknown = JournalError.outcomeUnknown("\(error)")
        lost = unknown
        let waiting = lanes.withLock { $0.refuse(with: unknown, abandoning: true) }
        onFatal("the disk failed while committing: \(error)")
        for command in batch + waiting { command.fail(unknown) }
    }
}
