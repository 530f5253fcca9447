import LongtakeCore
import LongtakeStorage
import LongtakeTesting

/// Group commit on a disk with faults, one step at a time: take a batch, make its plans, COMMIT,
/// call one observer after the other, answer the callers.
///
/// The lanes, the watchdog and all decisions are those of LongtakeStorage, which the SQLite store
/// runs too. This is only another shell: ``WriterWatch`` checks what they decide.
final class JournalWriter: Strand {
    private struct Transaction {
        var ledger: MemoryLedger
        var watch: ClaimWatch
        var batch: [SimulatedCommand]
        /// Commands of the batch that have written something.
        var written: [SimulatedCommand] = []
        var authors: [ClaimID?] = []
        var answers: [() -> Void] = []
    }

    private enum Phase {
        case idle
        /// Only reports wait, and the writer waits for more of them.
        case gathering
        /// - Parameter rest: commands that run singly after it; `nil` if the whole batch is one
        ///   transaction.
        case committing(Transaction, rest: [SimulatedCommand]?)
        case telling(Commit, next: Int, answers: [() -> Void], rest: [SimulatedCommand]?)
    }

    private let disk: Disk
    private let time: VirtualTime
    private let clock: TestClock
    private let chance: Chance
    private let stage: Stagehand
    private var phase = Phase.idle
    private var queue: CommandQueue<SimulatedCommand>
    private var policy = CommitPolicy(isRecovered: true)
    private var gathering: GatherPlan
    private var watch: WriterWatch
    private var observers: [(Commit) -> Void] = []
    private var closer: (() -> Void)?
    private var isClosing = false
    private var isDead = false
    /// The writer was started and has not yet found its lanes empty.
    private var isStarted = false
    private var isHurried = false
    private var isUnparkDue = false
    private var isSpaceCheckDue = false

    init(disk: Disk, time: VirtualTime, chance: Chance, stage: Stagehand) {
        self.disk = disk
        self.time = time
        self.chance = chance
        self.stage = stage
        clock = time.clock
        let (commands, maintenance) = (1 + chance.below(8), chance.below(4))
        queue = CommandQueue(CommandLanes(commandsPerCommit: commands, commitsPerMaintenance: maintenance))
        gathering = GatherPlan(commandsPerSecond: chance.one(of: [1_000, 10, 0]))
        watch = WriterWatch(commandsPerCommit: commands, commitsPerMaintenance: maintenance, stage: stage)
        if disk.faults.isFull { block() }
    }

    /// COMMIT failed, and its outcome is unknown.
    var isLost: Bool { policy.lost != nil }

    func observe(_ observer: @escaping (Commit) -> Void) { observers.append(observer) }

    func add(_ command: SimulatedCommand) {
        watch.arrives(command)
        queue.submissionsWaiting = disk.faults.submissionsWaiting
        do {
            let (wake, startsTicking) = try queue.add(command)
            let isBlocked = policy.blockReason != nil
            watch.accepted(command, submissionsWaiting: disk.faults.submissionsWaiting, isBlocked: isBlocked)
            self.wake(wake)
            if startsTicking { tickLater() }
        } catch {
            command.fail(error)
        }
    }

    var isReady: Bool {
        switch phase {
        case .idle: !isLost && (isStarted || isUnparkDue || isSpaceCheckDue || closer != nil)
        case .gathering: isHurried
        case .committing: !disk.faults.isStalled && !isLost
        case .telling: true
        }
    }

    func step() {
        switch phase {
        case .idle where isSpaceCheckDue: checkSpace()
        case .idle where isUnparkDue:
            isUnparkDue = false
            policy.retry()
            unpark()
        case .idle where closer != nil && !isClosing:
            isClosing = true
            unpark()
            isStarted = true
        case .idle:
            if gathering.isBusy, queue.gather() { gather() } else { begin() }
        case .gathering: begin()
        case .committing(let transaction, let rest): commit(transaction, rest)
        case .telling(let commit, let next, let answers, let rest):
            if next < observers.count {
                observers[next](commit)
                phase = .telling(commit, next: next + 1, answers: answers, rest: rest)
            } else {
                for answer in answers { answer() }
                runSingly(rest ?? [])
            }
        }
    }

    /// Runs all waiting commands, and rejects later ones.
    func close(_ done: @escaping () -> Void) {
        guard !isDead else { return done() }
        queue.refuse(with: .closed)
        closer = done
    }

    /// The process is gone, wherever the writer was. A commit that was under way may have reached
    /// the disk.
    func die() {
        isDead = true
        let gone = JournalError.outcomeUnknown("the process is gone")
        var left = queue.abandon(with: gone)
        switch phase {
        case .idle, .gathering: break
        case .committing(var transaction, let rest):
            if !isLost, chance.isOne(in: 2) {
                stage.trace.tell("the commit that was under way has happened")
                _ = write(&transaction)
            }
            left += transaction.batch + (rest ?? [])
        // The disk knows their fate, and the callers do not hear of it; but no task may wait for
        // ever.
        case .telling(_, _, let answers, let rest):
            for answer in answers { answer() }
            left += rest ?? []
        }
        (phase, observers, isStarted) = (.idle, [], false)
        for command in left { command.fail(gone) }
        closer?()
        closer = nil
    }

    /// Called when nothing can go on before time passes, and nothing holds the daemon up.
    func lookAtRest() {
        if case .gathering = phase { watch.lookAtGathering() } else { watch.lookAtRest() }
    }

    // MARK: A batch

    private func wake(_ wake: WriterWake) {
        switch wake {
        case .nothing: break
        case .start: isStarted = true
        case .hurry: isHurried = true
        }
    }

    private func gather() {
        phase = .gathering
        isHurried = false
        later(.milliseconds(GatherPlan.pauseMilliseconds)) { $0.isHurried = true }
    }

    private func begin() {
        phase = .idle
        let batch = queue.take()
        watch.taken(batch)
        guard !batch.isEmpty else {
            isStarted = false
            return finishClosing()
        }
        gathering.record(batch.count, at: time.now)
        if policy.runsSingly { runSingly(batch) } else { begin(batch, rest: nil) }
    }

    private func runSingly(_ batch: [SimulatedCommand]) {
        var rest = batch[...]
        while let command = rest.popFirst() {
            switch policy.single(command.kind) {
            case .run: return begin([command], rest: Array(rest))
            case .fail(let error): command.fail(error)
            case .failOrPark(let failure): failOrPark(command, failure)
            }
        }
        queue.finishBatch()
        phase = .idle
    }

    private func begin(_ batch: [SimulatedCommand], rest: [SimulatedCommand]?) {
        stage.verdict.check(!isLost, .writer, "a command runs after the outcome of a commit became unknown")
        var transaction = Transaction(ledger: disk.durable, watch: disk.watch, batch: batch)
        let now = time.wall.reading()
        for command in batch {
            let before = transaction.ledger
            do {
                transaction.answers.append(try command.run(&transaction.ledger, now))
                transaction.written.append(command)
            } catch {
                // The plan was rejected before anything was written, so the transaction continues.
                transaction.answers.append { command.fail(error) }
            }
            transaction.watch.look(from: before, to: transaction.ledger)
            let events = transaction.ledger.changeCount - transaction.authors.count
            transaction.authors += Array(repeating: command.author, count: events)
        }
        queue.beginDiskAccess()
        phase = .committing(transaction, rest: rest)
    }

    private func commit(_ transaction: Transaction, _ rest: [SimulatedCommand]?) {
        var transaction = transaction
        queue.endDiskAccess()
        // While the reserve lasts, the commands that may use it are written on a full disk.
        let usesReserve = policy.blockReason != nil && disk.faults.isFull && chance.isOne(in: 2)
        switch usesReserve ? .done : disk.faults.endOfCommit() {
        case .done:
            let commit = write(&transaction)
            policy.committed()
            phase = .telling(
                commit, next: commit.isEmpty ? observers.count : 0, answers: transaction.answers, rest: rest)
        case .refused:
            stage.trace.tell("the disk rejects a commit of \(transaction.batch.count)")
            stage.noteRefusal()
            failed(transaction.batch, rest)
        case .unknown(let happened):
            stage.trace.tell("COMMIT failed, and \(happened ? "has" : "has not") happened")
            if happened { _ = write(&transaction) }
            let unknown = policy.lose("EIO")
            for command in transaction.batch + queue.abandon(with: unknown) { command.fail(unknown) }
            runSingly(rest ?? [])
        }
    }

    private func failed(_ batch: [SimulatedCommand], _ rest: [SimulatedCommand]?) {
        let kind: TransactionFailure.Kind =
            disk.faults.isFull ? .noSpace : chance.isOne(in: 3) ? .permanent : .transient
        let failure = TransactionFailure(kind, "no room")
        if let rest {
            if policy.mustBlock(after: failure) { block() }
            failOrPark(batch[0], failure)
            return runSingly(rest)
        }
        switch policy.next(after: failure, ofBatchOf: batch.count) {
        case .freeSpace:
            block()
            runSingly(batch)
        case .runSingly: runSingly(batch)
        case .failOrPark:
            failOrPark(batch[0], failure)
            runSingly([])
        }
    }

    private func failOrPark(_ command: SimulatedCommand, _ failure: TransactionFailure) {
        let isExpired = command.deadline.map { time.now >= $0 } ?? false
        switch policy.failOrPark(command.kind, failure, isExpired: isExpired) {
        case .fail(let error): command.fail(error)
        case .park(let milliseconds):
            watch.park(command)
            queue.park(command)
            if let milliseconds { later(.milliseconds(milliseconds)) { $0.isUnparkDue = true } }
        }
    }

    private func unpark() {
        wake(queue.unpark())
        watch.unparked()
    }

    private func write(_ transaction: inout Transaction) -> Commit {
        for command in transaction.written { command.commit() }
        return disk.write(&transaction.ledger, by: transaction.authors, transaction.watch)
    }

    private func finishClosing() {
        guard isClosing else { return }
        for command in queue.abandon(with: .closed) {
            command.fail(JournalError.cannotPersist("the disk was full until the end"))
        }
        closer?()
        closer = nil
    }

    // MARK: Full disk

    private func block() {
        if policy.block(because: TransactionFailure.diskFull) { stage.trace.tell("the store is blocked") }
        queue.block(with: .cannotPersist(TransactionFailure.diskFull))
        later(StorageLimits.spaceCheckInterval) { $0.isSpaceCheckDue = true }
    }

    private func checkSpace() {
        isSpaceCheckDue = false
        guard !disk.faults.isFull else { return block() }
        stage.trace.tell("the store is not blocked any more")
        policy.unblock()
        wake(queue.unblock())
        watch.unparked()
    }

    // MARK: Time

    private func tickLater() { later(StorageLimits.watchdogInterval) { $0.tick() } }

    private func tick() {
        let tick = queue.tick()
        if tick.goesOn { tickLater() }
        for (command, error) in tick.failed { command.fail(error) }
    }

    private func later(_ delay: Duration, _ action: @escaping @Sendable (JournalWriter) -> Void) {
        let (clock, writer) = (clock, WeakWriter(writer: self))
        // Unstructured: it is a timer, which ends with the boot's clock.
        Task {
            try await clock.sleep(for: delay)
            if let writer = writer.writer, !writer.isDead { action(writer) }
        }
    }

    /// Unchecked, because the simulation has one thread.
    private struct WeakWriter: @unchecked Sendable {
        weak var writer: JournalWriter?
    }
}
