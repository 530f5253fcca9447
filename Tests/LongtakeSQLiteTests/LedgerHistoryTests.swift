import GRDB
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

/// Compares the counters and positions in the ledger's memory with a recount of the database, after
/// every transaction of random histories. A third of the transactions is rolled back, some because
/// of a duplicate job. After some transactions a new boot loads all counters again.
@Suite("the ledger's memory")
struct LedgerHistoryTests {
    @Test("counts, shares and queue positions agree with the database", arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func counts(_ seed: UInt64) throws {
        let history = try LedgerHistory(seed: seed)
        try history.queue.writeWithoutTransaction { db in
            for step in 1...150 {
                let isCommitted = history.random.below(3) > 0
                try history.transaction(isCommitted: isCommitted, db)
                let place = Comment(rawValue: "seed \(seed), step \(step), committed \(isCommitted)")
                let shares = try history.shares(db)
                #expect(shares.written == shares.counted, place)
                let queued = try history.queued(db)
                #expect(queued.inMemory == queued.counted, place)
                #expect(try history.positionsInMemory() == history.countedPositions(db), place)
                if step % 40 == 0 { try history.reboot(db) }
            }
            #expect(history.commits > 50 && history.failures > 5, "the history covers both cases")
        }
    }

    @Test("the result of a submission is the job that a reader finds", arguments: [7, 8] as [UInt64])
    func views(_ seed: UInt64) throws {
        let history = try LedgerHistory(seed: seed)
        try history.queue.writeWithoutTransaction { db in
            for _ in 1...60 {
                try history.transaction(isCommitted: true, db)
                try db.beginTransaction(.immediate)
                guard case .created(let job) = try history.submit(db) else {
                    Issue.record("the submission created no job")
                    return
                }
                try history.end(committing: true, db)
                #expect(try JobReader(epoch: history.epoch).job(job.id, of: job.tenant, db) == job)
            }
        }
    }
}

/// A ledger on its own database, and a random generator.
private final class LedgerHistory {
    let queue = try! DatabaseQueue()
    let epoch = Epoch(rawValue: 1)
    var random: SplitMix
    private(set) var commits = 0
    private(set) var failures = 0
    private let clock = ManualClock()
    private let texts = PipelineTexts()
    private var ledger: JobLedger
    private var claims: [Claim] = []
    private var jobs = 0

    private static let tenants = ["anonymous", "b", "c"].map(TenantName.init(unchecked:))

    init(seed: UInt64) throws {
        random = SplitMix(state: seed)
        try Schema.migrator.migrate(queue)
        ledger = try queue.writeWithoutTransaction { [epoch, clock] in try JobLedger(epoch: epoch, clock: clock, $0) }
    }

    func transaction(isCommitted: Bool, _ db: Database) throws {
        try db.beginTransaction(.immediate)
        do {
            for _ in 0...random.below(6) { try command(db) }
            try end(committing: isCommitted, db)
        } catch is DatabaseError {
            failures += 1
            try end(committing: false, db)
        }
    }

    /// Ends a transaction as the writer does.
    func end(committing isCommitted: Bool, _ db: Database) throws {
        // A rollback comes before or after the shares are written.
        if isCommitted || random.below(2) == 0 { try ledger.completeTransaction(db) }
        if isCommitted {
            try db.commit()
            _ = ledger.takeCommit()
            commits += 1
        } else {
            ledger.forget()
            if db.isInsideTransaction { try db.rollback() }
        }
    }

    /// Begins a new boot: all running stages return to their queues, and all counters are read
    /// again.
    func reboot(_ db: Database) throws {
        ledger.close()
        ledger = try JobLedger(epoch: epoch, clock: clock, db)
        try db.beginTransaction(.immediate)
        _ = try ledger.recoverFromEarlierBoots(db)
        try end(committing: true, db)
        claims = []
    }

    func submit(_ db: Database) throws -> SubmissionOutcome {
        jobs += 1
        return try submit(number: jobs, db)
    }

    private func submit(number: Int, _ db: Database) throws -> SubmissionOutcome {
        let submission = Samples.submission(
            number, tenant: Self.tenants[random.below(3)].description, priority: random.below(4) - 1)
        return try ledger.submit(try EncodedSubmission(submission, texts: texts), db)
    }

    private func command(_ db: Database) throws {
        clock.advance(by: .milliseconds(random.below(900)))
        do {
            switch random.below(20) {
            case 0: _ = try submit(number: max(1, jobs), db)
            case 1...6: _ = try submit(db)
            case 7...10:
                claims += try ledger.claim(
                    queue: [Samples.cpu, Samples.gpu][random.below(2)], limit: 2, for: ledger.holder, db
                ).claims
            case 11,
                12 where jobs > 0:
                _ = try ledger.cancel(
                    Samples.submission(1 + random.below(jobs)).id, of: Self.tenants[random.below(3)], db)
            case 13... where !claims.isEmpty:
                let claim = claims[random.below(claims.count)]
                let error = JobError(code: "stage_failed", message: "no", stage: claim.stage.name)
                let commands: [JobCommand] = [
                    .report(StageReport(progress: Progress(0.5), message: "half")), .succeed(output: .integer(1)),
                    .succeed(output: nil), .retry(error: error, delay: .seconds(2)), .fail(error),
                    .interrupt(.shutdown),
                ]
                _ = try ledger.change(claim, by: commands[random.below(commands.count)], db)
            default: break
            }
        } catch is JournalError {
            // Rejected before anything was written: the transaction continues.
        }
    }

    // MARK: Compared values

    private struct Key: Hashable {
        let queue: QueueName
        let tenant: TenantName
        var priority = 0
    }

    /// The rows of `share`, and their expected values.
    func shares(_ db: Database) throws -> (written: [String: Int], counted: [String: Int]) {
        func counts(_ sql: String) throws -> [String: Int] {
            try Row.fetchAll(db, sql: sql).reduce(into: [:]) { $0["\($1[0] as String)/\($1[1] as String)"] = $1[2] }
        }
        return (
            try counts("SELECT queue, tenant, waiting FROM share WHERE waiting > 0"),
            try counts(
                "SELECT queue, tenant, count(*) FROM stage WHERE state = 'queued' AND due_at IS NULL GROUP BY 1, 2")
        )
    }

    /// The number of queued jobs per tenant.
    func queued(_ db: Database) throws -> (inMemory: [Int], counted: [Int]) {
        (
            Self.tenants.map { ledger.queued.count(of: $0) },
            try Self.tenants.map { tenant in
                try Int.fetchOne(
                    db, sql: "SELECT count(*) FROM job WHERE tenant = ? AND state = 'queued'",
                    arguments: [tenant.description]) ?? 0
            }
        )
    }

    /// The queue position of a new job on each queue, of each tenant, at each priority.
    func positionsInMemory() -> [[Int]] {
        allPositions { ledger.waiting.position(on: $0.queue, of: $0.tenant, at: Priority($0.priority)!) }
    }

    func countedPositions(_ db: Database) throws -> [[Int]] {
        var waiting: [Key: Int] = [:]
        for row in try Row.fetchAll(
            db, sql: "SELECT queue, tenant, priority FROM stage WHERE state = 'queued' AND due_at IS NULL")
        {
            let key = Key(
                queue: QueueName(unchecked: row[0]), tenant: TenantName(unchecked: row[1]), priority: row[2])
            waiting[key, default: 0] += 1
        }
        return allPositions { key in
            let here = waiting.filter { $0.key.queue == key.queue }
            let ahead = here.filter { $0.key.tenant == key.tenant && $0.key.priority >= key.priority }
            let others = Self.tenants.filter { $0 != key.tenant }.map { tenant in
                here.filter { $0.key.tenant == tenant }.values.reduce(0, +)
            }
            return QueuePosition.estimate(ahead: ahead.values.reduce(0, +), others: others)
        }
    }

    private func allPositions(_ position: (Key) -> Int) -> [[Int]] {
        [Samples.cpu, Samples.gpu].flatMap { queue in
            Self.tenants.map { tenant in
                (-9...9).map { position(Key(queue: queue, tenant: tenant, priority: $0)) }
            }
        }
    }
}
