import LongtakeCore
import LongtakeStorage
import LongtakeTesting

/// Each read has two steps: it takes a snapshot, and it answers its caller later, when more may
/// have been committed. The ``ReadScheduler`` of the SQLite store decides which reads run.
final class JournalReads: Strand {
    private struct Read {
        let tenant: TenantName?
        let take: (Result<MemoryLedger, JournalError>) -> () -> Void
    }

    private let disk: Disk
    private let chance: Chance
    private let stage: Stagehand
    private var scheduler: ReadScheduler<Read>
    /// Reads that have a connection and no snapshot.
    private var begun: [Read] = []
    private var answers: [(tenant: TenantName?, give: () -> Void)] = []

    init(disk: Disk, chance: Chance, stage: Stagehand) {
        self.disk = disk
        self.chance = chance
        self.stage = stage
        scheduler = ReadScheduler(width: 1 + chance.below(4), limit: StorageLimits.readsWaiting)
    }

    /// - Parameter take: reads from the ledger, and returns a function that answers the caller.
    func add(for tenant: TenantName?, _ take: @escaping (Result<MemoryLedger, JournalError>) -> () -> Void) {
        let read = Read(tenant: tenant, take: take)
        switch scheduler.admit(read, of: tenant) {
        case .run: begun.append(read)
        case .wait(let displaced): displaced?.take(.failure(.overloaded))()
        case .reject(let error): take(.failure(error))()
        }
    }

    var isReady: Bool { !(begun.isEmpty && (answers.isEmpty || disk.faults.areReadsStalled)) }

    func step() {
        let index = chance.below(begun.count + (disk.faults.areReadsStalled ? 0 : answers.count))
        guard index < begun.count else {
            let answer = answers.remove(at: index - begun.count)
            if let next = scheduler.end(of: answer.tenant) { begun.append(next) }
            return answer.give()
        }
        let read = begun.remove(at: index)
        answers.append((read.tenant, read.take(fault.map { .failure($0) } ?? .success(disk.durable))))
    }

    func die() {
        let left = begun + scheduler.close()
        begun = []
        for read in left { read.take(.failure(.closed))() }
        for answer in answers { answer.give() }
        answers = []
    }

    /// Called when nothing can run before time passes, and no fault delays the daemon. Every read
    /// must have its answer.
    func lookAtRest() {
        stage.verdict.check(scheduler.isIdle, .progress, "\(scheduler.waiting) reads wait, but a connection is free")
    }

    private var fault: JournalError? {
        guard let count = disk.faults.failingReads, chance.isOne(in: count) else { return nil }
        return chance.isOne(in: 3) ? .cannotPersist("a read failed") : .overloaded
    }
}
