import LongtakeCore
import LongtakeTesting

/// The data that outlives a boot: the durable ledger, and the faults of its disk.
final class Disk {
    private(set) var durable: MemoryLedger
    /// Watches the claims of the durable ledger.
    private(set) var watch = ClaimWatch()
    private let stage: Stagehand
    var faults = DiskFaults()
    /// The holder of the current boot.
    var holder: HolderID { HolderID(rawValue: Int64(boots)) }
    /// The number of boots.
    private(set) var boots = 0

    /// - Parameter queuedJobsLimit: the limit of queued jobs for each tenant.
    init(stage: Stagehand, queuedJobsLimit: Int) {
        self.stage = stage
        durable = MemoryLedger(epoch: Epoch(rawValue: 0x7f3a_09c2), queuedJobsPerTenant: queuedJobsLimit)
    }

    /// Begins a boot with recovery, which is durable before any other command.
    func open(at moment: ClockReading) throws {
        boots += 1
        var ledger = durable
        try ledger.recover(allBut: holder, at: moment)
        _ = write(&ledger, by: Array(repeating: nil, count: ledger.changeCount), watch)
    }

    /// Makes a transaction durable.
    func write(_ ledger: inout MemoryLedger, by authors: [ClaimID?], _ watch: ClaimWatch) -> Commit {
        self.watch = watch
        for text in watch.broken { stage.verdict.fail(.fairness, text) }
        let (commit, events) = ledger.takeChanges()
        durable = ledger
        stage.book.append(commit.events, events, by: authors, in: boots, at: stage.moment)
        return commit
    }
}
