import LongtakeCore
import LongtakeTesting

/// Reads that run at once, in two steps each: the snapshot is taken, and later, when more may have been committed, the answer arrives.
final class JournalReads: Strand {
    private let disk: Disk
    private let chance: Chance
    private var waiting: [(take: (Result<MemoryLedger, JournalError>) -> () -> Void, number: Int)] = []
    private var answers: [() -> Void] = []
    private var isOver = false
    private var lastNumber = 0

    init(disk: Disk, chance: Chance) {
        self.disk = disk
        self.chance = chance
    }

    /// - Parameter take: looks at the ledger, and returns what gives the answer out.
    func add(_ take: @escaping (Result<MemoryLedger, JournalError>) -> () -> Void) {
        guard !isOver else { return take(.failure(.closed))() }
        lastNumber += 1
        waiting.append((take, lastNumber))
    }

    var isReady: Bool { !(waiting.isEmpty && (answers.isEmpty || disk.faults.areReadsStalled)) }

    func step() {
        let index = chance.below(waiting.count + (disk.faults.areReadsStalled ? 0 : answers.count))
        guard index < waiting.count else {
            answers.remove(at: index - waiting.count)()
            return
        }
        let read = waiting.remove(at: index)
        answers.append(read.take(fault.map { .failure($0) } ?? .success(disk.durable)))
    }

    func die() {
        isOver = true
        let left = waiting
        waiting = []
        for read in left { read.take(.failure(.closed))() }
        for answer in answers { answer() }
        answers = []
    }

    private var fault: JournalError? {
        guard let count = disk.faults.failingReads, chance.isOne(in: count) else { return nil }
        return chance.isOne(in: 3) ? .cannotPersist("a read failed") : .overloaded
    }
}
