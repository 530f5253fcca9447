import LongtakeCore
import LongtakeTesting

/// What outlives a boot: the durable ledger, and what is wrong with the disk under it.
final class Disk {
    private(set) var durable: MemoryLedger
    /// Of what is durable.
    private(set) var watch = ClaimWatch()
    private let stage: Stagehand
    var faults = DiskFaults()
    /// Of the boot that has it open.
    var holder: HolderID { HolderID(rawValue: Int64(boots)) }
    /// How often somebody opened it.
    private(set) var boots = 0

    /// - Parameter queuedMost: how many jobs of one tenant may be queued.
    init(stage: Stagehand, queuedMost: Int) {
        self.stage = stage
        durable = MemoryLedger(epoch: Epoch(rawValue: 0x7f3a_09c2), queuedJobsPerTenant: queuedMost)
    }

    /// A boot begins with the recovery, which is durable before anything else happens.
    func open(at moment: ClockReading) throws {
        boots += 1
        var ledger = durable
        try ledger.recover(allBut: holder, at: moment)
        _ = write(&ledger, by: Array(repeating: nil, count: ledger.changeCount), watch)
    }

    /// A transaction becomes durable.
    func write(_ ledger: inout MemoryLedger, by authors: [ClaimID?], _ watch: ClaimWatch) -> Commit {
        self.watch = watch
        for text in watch.broken { stage.verdict.blame(.fairness, text) }
        let (commit, events) = ledger.takeChanges()
        durable = ledger
        stage.book.append(commit.events, events, by: authors, in: boots, at: stage.moment)
        return commit
    }
}
