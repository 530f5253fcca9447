import GRDB
import LongtakeCore

/// Everything that a boot does to the database before it serves requests: read the epoch, count the
/// boot, and put the stages that the last boot left running back into their queues.
///
/// If the disk is too full for that, even without the reserve, the writer does it later. Until
/// then, stored data can be read.
struct BootSequence {
    let ledger: JobLedger
    let number: Int64
    /// `nil` if the writer recovers later.
    let recoveredStages: Int?

    /// - Throws: `DatabaseError`.
    init(
        pool: DatabasePool, clock: any WallClock, reserve: ReserveFile, queuedJobsPerTenant: Int,
        setAside: SetAsideJobs,
        workers: [QueueName: Int]? = nil
    )
        throws
    {
        let (epoch, number) = try Self.giving(up: reserve) { try pool.write { db in try BootRecord.read(db) } }
        self.number = number
        (ledger, recoveredStages) = try pool.writeWithoutTransaction { db in
            let ledger = try JobLedger(
                epoch: epoch, holder: HolderID(rawValue: number), clock: clock,
                queuedJobsPerTenant: queuedJobsPerTenant, setAside: setAside, workers: workers, db)
            do {
                let recovered = try Self.giving(up: reserve) { try Self.begin(ledger, db) }
                // Nobody observes commits yet. The recovered events are in the event log.
                _ = ledger.takeCommit()
                return (ledger, recovered)
            } catch  where CommitFailure.isFull(error) {
                return (ledger, nil)
            }
        }
    }

    /// Counts the boot and recovers, within a transaction.
    static func run(_ ledger: JobLedger, _ db: Database) throws -> Int {
        try BootRecord.count(db)
        try ledger.deleteOldEstimates(db)
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

    /// Nobody is served yet. So a failure of this transaction fails the boot, and the next boot
    /// tries again. Only if the disk is full, the writer tries again later (``recoveredStages``).
    private static func setAside(_ corrupt: JobLedger.CorruptJob, _ ledger: JobLedger, _ db: Database) throws {
        guard ledger.beginSetAside(of: corrupt) else { throw corrupt.cause }
        var failure: any Error = corrupt.cause
        for extent in JobLedger.Extent.ofCorruptJob {
            do {
                try db.inTransaction(.immediate) {
                    try ledger.setAside(corrupt, extent, db)
                    try ledger.completeTransaction(db)
                    return .commit
                }
                // Nobody observes commits yet.
                _ = ledger.takeCommit()
                return
            } catch {
                failure = CommitFailure.naming(error, on: db, mayRepeat: true)
                ledger.forget()
                guard JobLedger.isCorrupt(error) else {
                    ledger.forgetSetAside(of: corrupt)
                    throw failure
                }
            }
        }
        throw failure
    }

    /// Runs `body` again without the reserve if the disk is full.
    private static func giving<Value>(up reserve: ReserveFile, _ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch  where CommitFailure.isFull(error) && reserve.release() {
            return try body()
        }
    }
}

/// The rows in which the database stores its epoch and the number of boots.
enum BootRecord {
    /// The epoch, generated if the database is new, and the number of this boot.
    static func read(_ db: Database) throws -> (epoch: Epoch, number: Int64) {
        // Two rows, because a database that lost its WAL may have only the epoch.
        if try Int.fetchOne(db, sql: "SELECT count(*) FROM meta WHERE name = 'epoch'") == 0 { try renew(db) }
        try db.execute(sql: "INSERT OR IGNORE INTO meta (name, value) VALUES ('boot', '0')")
        guard let epoch = try Epoch(String.fetchOne(db, sql: "SELECT value FROM meta WHERE name = 'epoch'") ?? ""),
            let number = try Int64.fetchOne(db, sql: "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'boot'")
        else { throw UnreadableRow("meta") }
        return (epoch, number + 1)
    }

    static func count(_ db: Database) throws {
        try db.execute(sql: "UPDATE meta SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = 'boot'")
    }

    /// Generates an epoch, for a new database or for a copy, whose history continues independently.
    static func renew(_ db: Database) throws {
        var generator = SystemRandomNumberGenerator()
        try db.execute(
            sql:
                "INSERT INTO meta (name, value) VALUES ('epoch', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            arguments: [Epoch.random(using: &generator).description])
    }

    static func probe(_ db: Database, at time: Timestamp) throws {
        try db.execute(
            sql:
                "INSERT INTO meta (name, value) VALUES ('probe', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            arguments: ["\(time)"])
    }
}
