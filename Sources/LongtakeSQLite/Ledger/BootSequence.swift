import GRDB
import LongtakeCore

/// What a boot does to the database before anybody is served: reads its epoch, counts itself, puts back what the last one had left running.
///
/// On a disk that is too full even for that, with the reserve given up, the boot is left for later: what is stored can be read meanwhile.
struct BootSequence {
    let ledger: JobLedger
    let number: Int64
    /// `nil` where it is left for later.
    let recoveredStages: Int?

    /// - Throws: `DatabaseError`.
    init(
        pool: DatabasePool, clock: any WallClock, reserve: ReserveFile, queuedJobsPerTenant: Int, setAside: SetAsideJobs
    )
        throws
    {
        let (epoch, number) = try Self.giving(up: reserve) { try pool.write { db in try BootRecord.read(db) } }
        self.number = number
        (ledger, recoveredStages) = try pool.writeWithoutTransaction { db in
            let ledger = try JobLedger(
                epoch: epoch, holder: HolderID(rawValue: number), clock: clock,
                queuedJobsPerTenant: queuedJobsPerTenant, setAside: setAside, db)
            do {
                let recovered = try Self.giving(up: reserve) { try Self.begin(ledger, db) }
                // Nobody watches yet; what was recovered is in the log.
                _ = ledger.takeCommit()
                return (ledger, recovered)
            } catch  where CommitFailure.isFull(error) {
                return (ledger, nil)
            }
        }
    }

    /// Within a transaction: counts the boot and recovers.
    static func run(_ ledger: JobLedger, _ db: Database) throws -> Int {
        try BootRecord.count(db)
        return try ledger.recoverFromEarlierBoots(db)
    }

    private static func begin(_ ledger: JobLedger, _ db: Database) throws -> Int {
        do {
            var recovered = 0
            try db.inTransaction(.immediate) {
                recovered = try run(ledger, db)
                try ledger.completeTransaction(db)
                return .commit
            }
            return recovered
        } catch let corrupt as JobLedger.CorruptJob {
            ledger.forget()
            try setAside(corrupt, ledger, db)
            return try begin(ledger, db)
        } catch {
            ledger.forget()
            throw CommitFailure.naming(error, on: db, mayRepeat: true)
        }
    }

    /// Nobody is served yet, so any failure of this transaction fails the boot, and the next one looks again.
    private static func setAside(_ corrupt: JobLedger.CorruptJob, _ ledger: JobLedger, _ db: Database) throws {
        guard ledger.maySetAside(corrupt) else { throw corrupt.cause }
        var failure: any Error = corrupt.cause
        for extent in JobLedger.Extent.ofCorruptJob {
            do {
                try db.inTransaction(.immediate) {
                    try ledger.setAside(corrupt, extent, db)
                    try ledger.completeTransaction(db)
                    return .commit
                }
                // Nobody watches yet.
                _ = ledger.takeCommit()
                return
            } catch {
                ledger.forget()
                failure = error
            }
        }
        throw failure
    }

    /// Tries again in the room of the reserve.
    private static func giving<Value>(up reserve: ReserveFile, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch  where CommitFailure.isFull(error) && reserve.release() {
            return try body()
        }
    }
}
