import LongtakeCore
import LongtakeTesting

/// Group commit on a disk with faults, a step at a time: gather and judge, COMMIT, tell one observer after the other, answer the callers.
final class JournalWriter: Strand {
    private struct Transaction {
        var ledger: MemoryLedger
        var watch: ClaimWatch
        var batch: [WriteCommand]
        var authors: [ClaimID?] = []
        var answers: [() -> Void] = []
    }

    private enum Phase {
        case idle
        case committing(Transaction)
        case telling(Commit, next: Int, answers: [() -> Void])
    }

    private let disk: Disk
    private let time: VirtualTime
    private let chance: Chance
    private let stage: Stagehand
    /// Whether the writer keeps vital commands that a full disk refuses, or leaves it to the caller to try again. The contract allows both.
    private let keepsVital: Bool
    private var phase = Phase.idle
    private var submissions: [WriteCommand] = []
    private var others: [WriteCommand] = []
    private var parked: [WriteCommand] = []
    private var observers: [(Commit) -> Void] = []
    private var refusal: JournalError?
    private var closer: (() -> Void)?
    /// COMMIT failed, and nobody knows how.
    private(set) var isLost = false
    private var isDead = false

    init(disk: Disk, time: VirtualTime, chance: Chance, stage: Stagehand) {
        self.disk = disk
        self.time = time
        self.chance = chance
        self.stage = stage
        keepsVital = !chance.isOne(in: 3)
    }

    func observe(_ observer: @escaping (Commit) -> Void) { observers.append(observer) }

    func add(_ command: WriteCommand) {
        if let refusal { return command.fail(refusal) }
        switch command.kind {
        case .submission:
            guard submissions.count < disk.faults.submissionsWaiting else {
                return command.fail(JournalError.overloaded)
            }
            submissions.append(command)
        case .vital, .other:
            others.append(command)
        }
    }

    var isReady: Bool {
        switch phase {
        case .idle:
            !isLost
                && (!others.isEmpty || !submissions.isEmpty || closer != nil || !parked.isEmpty && !disk.faults.isFull)
        case .committing: !disk.faults.isStalled && !isLost
        case .telling: true
        }
    }

    func step() {
        switch phase {
        case .idle: begin()
        case .committing(let transaction): commit(transaction)
        case .telling(let commit, let next, let answers):
            if next < observers.count {
                observers[next](commit)
                phase = .telling(commit, next: next + 1, answers: answers)
            } else {
                phase = .idle
                for answer in answers { answer() }
            }
        }
    }

    /// Carries out what waits, then refuses.
    func close(_ done: @escaping () -> Void) {
        guard !isDead else { return done() }
        refusal = .closed
        closer = done
    }

    /// The process is gone, wherever the writer was. A commit that was under way may have reached the disk.
    func die() {
        isDead = true
        if case .committing(var transaction) = phase, !isLost, chance.isOne(in: 2) {
            stage.trace.tell("the commit that was under way has happened")
            _ = disk.write(&transaction.ledger, by: transaction.authors, transaction.watch)
        }
        let gone = JournalError.outcomeUnknown("the process is gone")
        var left = parked + others + submissions
        switch phase {
        case .idle: break
        case .committing(let transaction): left += transaction.batch
        // Their fate is known to the disk, but they hear of it no more; only, nobody may wait for ever.
        case .telling(_, _, let answers): for answer in answers { answer() }
        }
        (phase, observers, refusal) = (.idle, [], gone)
        (parked, others, submissions) = ([], [], [])
        for command in left { command.fail(gone) }
        closer?()
        closer = nil
    }

    private func begin() {
        if !parked.isEmpty, !disk.faults.isFull {
            others.insert(contentsOf: parked, at: 0)
            parked = []
        }
        let limit = 1 + chance.below(8)
        let batch = Array((others + submissions).prefix(limit))
        guard !batch.isEmpty else { return finishClosing() }
        submissions.removeFirst(max(0, batch.count - others.count))
        others.removeFirst(min(batch.count, others.count))
        var transaction = Transaction(ledger: disk.durable, watch: disk.watch, batch: batch)
        let now = time.wall.reading()
        for command in batch {
            let before = transaction.ledger
            do {
                transaction.answers.append(try command.run(&transaction.ledger, now))
            } catch {
                // Judged before anything was written, so the transaction goes on without it.
                transaction.answers.append { command.fail(error) }
            }
            transaction.watch.look(from: before, to: transaction.ledger)
            let events = transaction.ledger.changeCount - transaction.authors.count
            transaction.authors += Array(repeating: command.author, count: events)
        }
        phase = .committing(transaction)
    }

    private func commit(_ transaction: Transaction) {
        var transaction = transaction
        switch disk.faults.endOfCommit() {
        case .done:
            let commit = disk.write(&transaction.ledger, by: transaction.authors, transaction.watch)
            phase = .telling(
                commit, next: commit.isEmpty ? observers.count : 0,
                answers: transaction.answers)
        case .refused:
            stage.trace.tell("the disk refuses a commit of \(transaction.batch.count)")
            stage.noteRefusal()
            phase = .idle
            for command in transaction.batch {
                if command.kind == .vital, keepsVital {
                    parked.append(command)
                } else {
                    command.fail(JournalError.cannotPersist("no room"))
                }
            }
        case .unknown(let happened):
            stage.trace.tell("COMMIT failed, and \(happened ? "has" : "has not") happened")
            if happened { _ = disk.write(&transaction.ledger, by: transaction.authors, transaction.watch) }
            isLost = true
        }
    }

    private func finishClosing() {
        for command in parked { command.fail(JournalError.cannotPersist("no room until the end")) }
        parked = []
        closer?()
        closer = nil
    }
}
