import Dispatch
public import LongtakeCore
import Synchronization

/// One node on PostgreSQL: a holder with its connections. Two nodes on one database are two handles.
public final class PostgresNode: JobStore, WorkStore, EventLog {
    public let holder: HolderID
    private let conninfo: String
    private let clock: DatabaseClock
    private let reading: Lane
    private let writing: Lane
    private let notifying: Lane
    private let faults: NodeFaults
    private let observers: NodeObservers
    private let writer: BatchWriter
    /// The facts of jobs whose stage this node holds, after the last plan. A plan that is judged on them can be stale,
    /// because others mark these jobs too.
    private let held = Mutex<[JobID: JobFacts]>([:])

    /// Joins the database as a new holder.
    public static func join(_ conninfo: String, faults: NodeFaults = NodeFaults()) async throws -> PostgresNode {
        let clock = DatabaseClock()
        let reading = Lane("read", conninfo) { try Self.greet($0, clock) }
        let id = try await reading.read { connection in
            try connection.rows("INSERT INTO nodes (id) VALUES (nextval('node_ids')) RETURNING id").first?.first ?? nil
        }
        guard let number = id.flatMap({ Int64($0) }) else { throw ConnectionLost() }
        return PostgresNode(conninfo, HolderID(rawValue: number), clock, reading, faults)
    }

    private init(
        _ conninfo: String, _ holder: HolderID, _ clock: DatabaseClock, _ reading: Lane, _ faults: NodeFaults
    ) {
        self.conninfo = conninfo
        self.holder = holder
        self.clock = clock
        self.reading = reading
        self.faults = faults
        writing = Lane("write", conninfo) { connection in
            try Self.greet(connection, clock)
            try connection.rows("SET lock_timeout = '10s'")
        }
        notifying = Lane("notify", conninfo)
        let observers = NodeObservers()
        self.observers = observers
        writer = BatchWriter(writing, node: holder, cut: faults.cut) { [notifying] batch in
            observers.notify(batch)
            let hint = Hint(node: holder, batch)
            // From its own connection: inside the batch, it costs two thirds of the rate.
            notifying.queue.async {
                try? notifying.connected { _ = try $0.rows("SELECT pg_notify('longtake', $1)", [try hint.text()]) }
            }
        }
        observers.listen(to: conninfo, as: holder)
    }

    /// The first statements of every connection. If the server's history is another one than that of the stored epoch,
    /// they draw a new epoch.
    private static func greet(_ connection: Connection, _ clock: DatabaseClock) throws {
        try connection.rows("SET synchronous_commit = on")
        let rows = try connection.rows(
            """
            WITH here AS (SELECT system_identifier::text AS id, substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS line
                FROM pg_control_system())
            SELECT current_setting('fsync'), (extract(epoch FROM clock_timestamp()) * 1000)::bigint, epoch, here.id, here.line,
                (system_identifier, timeline) = (here.id, here.line) FROM meta, here
            """)
        guard let row = rows.first, row[0] == "on", let time = row[1].flatMap({ Int64($0) }) else {
            throw PostgresError(state: "F0000", message: "PostgreSQL runs with fsync = off")
        }
        clock.measured(time)
        guard row[5] == "f" else { return }
        // The epoch changes once, however many connections find the difference.
        try connection.rows(
            """
            UPDATE meta SET epoch = ($1::bigint + 1 + floor(random() * 4294967294)::bigint) % 4294967296,
                system_identifier = $2, timeline = $3 WHERE epoch = $1
            """, [row[2], row[3], row[4]])
    }

    /// The node leaves without a word, as one that was killed. Its row stays, until somebody declares it gone.
    public func disconnect() {
        observers.close()
        for lane in [reading, writing, notifying] { lane.close() }
    }

    // MARK: Jobs

    public func submit(_ submission: Submission) async throws -> SubmissionOutcome {
        let prepared = try PreparedSubmission(submission)
        while true {
            let facts = try await reading.read { try Reading($0).facts(of: prepared) }
            let judgement = try SubmissionJudgement(
                prepared, on: facts, queuedJobsLimit: Limits.queuedJobsPerTenantDefault, at: clock.reading())
            switch judgement {
            case .create(let plan):
                await faults.beforeCommit()
                guard try await writer.execute(plan, of: prepared) == .done else { continue }
                if let job = try await job(submission.id, of: submission.tenant) { return .created(job) }
            case .replay, .conflict:
                let known = try await replay(
                    of: submission.idempotencyKey ?? "", tenant: submission.tenant,
                    fingerprint: prepared.fingerprint ?? "")
                if let known { return known }
            }
        }
    }

    public func replay(of key: String, tenant: TenantName, fingerprint: String) async throws -> SubmissionOutcome? {
        try await reading.read { connection in
            let reading = Reading(connection)
            guard let (known, id) = try reading.key(key, of: tenant) else { return nil }
            guard known.utf8.elementsEqual(fingerprint.utf8), let job = try reading.job(id, of: tenant) else {
                return .conflict
            }
            return .replayed(job)
        }
    }

    public func cancel(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        while true {
            guard let facts = try await facts(of: job), facts.tenant == tenant else { return nil }
            let plan = try LedgerPlan.cancel(facts, at: clock.reading())
            await faults.beforeCommit()
            guard try await writer.execute(plan) == .done else { continue }
            return try await self.job(job, of: tenant)
        }
    }

    /// Not tried.
    public func delete(_ job: JobID, of tenant: TenantName) async throws {
        throw JournalError.cannotPersist("the spike deletes nothing")
    }

    /// Not tried.
    public func register(_ artifact: Artifact, for claim: Claim) async throws -> ReportAnswer {
        throw JournalError.cannotPersist("the spike stores no artifacts")
    }

    public func job(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        try await reading.read { try Reading($0).job(job, of: tenant) }
    }

    public func jobs(_ query: JobQuery) async throws -> JobPage {
        try await reading.read { try Reading($0).jobs(query) }
    }

    private func facts(of job: JobID) async throws -> JobFacts? {
        try await reading.read { try Reading($0).facts(of: job) }
    }

    // MARK: Work

    /// Two batches: the first reserves stages, the second writes the plans.
    public func claim(queue: QueueName, limit: Int, for holder: HolderID) async throws -> ClaimResult {
        // No call of the port introduces another holder, so none has a row.
        guard holder == self.holder else { throw JournalError.notOwner }
        do {
            let jobs = try await writer.reserve(queue, limit: limit)
            await faults.beforeCommit()
            let claims = try await withThrowingTaskGroup(of: Claim?.self) { group in
                for job in jobs { group.addTask { try await self.claim(job) } }
                return try await group.reduce(into: [JobID: Claim]()) { claims, claim in
                    if let claim { claims[claim.job] = claim }
                }
            }
            let due = try await reading.read { try Reading($0).nextDue(on: queue) }
            return ClaimResult(claims: jobs.compactMap { claims[$0] }, nextDue: due)
        } catch JournalError.gone {
            throw JournalError.notOwner
        }
    }

    /// `nil` if the reserved stage cannot be claimed any more. Its reservation has ended then.
    private func claim(_ job: JobID) async throws -> Claim? {
        while let work = try await reading.read({ try Reading($0).reserved(job, by: self.holder) }) {
            let plan: LedgerPlan
            do {
                plan = try LedgerPlan.claim(by: holder, on: work.facts, at: clock.reading())
            } catch {
                // A job that was canceled meanwhile keeps the mark of its reservation, which nothing reads.
                return nil
            }
            guard try await writer.execute(plan, holder: holder) == .done else { continue }
            remember(plan.after)
            return Claim(
                id: ClaimID(job: job, stageIndex: plan.after.life.stageIndex, fence: plan.after.fence),
                holder: holder, stage: plan.after.stage, attempt: plan.after.life.attempt,
                checkpoint: Checkpoint(progress: plan.after.life.stageProgress, data: work.checkpoint),
                input: work.input, outputs: work.outputs, simulation: work.simulation)
        }
        return nil
    }

    public func report(_ report: StageReport, for claim: Claim) async throws -> ReportAnswer {
        do {
            _ = try await change(claim, by: .report(report))
            return .goOn
        } catch JournalError.refused(.canceling) {
            return .canceling
        } catch JournalError.notOwner, JournalError.refused {
            return .lost
        }
    }

    public func finish(_ claim: Claim, with outcome: StageOutcome) async throws -> JobState {
        try await change(claim, by: outcome.command)
    }

    private func change(_ claim: Claim, by command: JobCommand) async throws -> JobState {
        while true {
            let known = held.withLock { $0[claim.job] }
            guard let facts = if let known { known } else { try await facts(of: claim.job) } else {
                throw JournalError.notOwner
            }
            let plan: LedgerPlan
            do throws(JournalError) {
                plan = try LedgerPlan.work(
                    command, by: claim.id, of: claim.holder, on: facts, at: clock.reading())
            } catch {
                held.withLock { $0[claim.job] = nil }
                // A refusal on what the node remembers says nothing: it is judged again on what is stored.
                if known != nil { continue }
                throw error
            }
            await faults.beforeCommit()
            do {
                switch try await writer.execute(plan, holder: claim.holder) {
                case .done:
                    remember(plan.after)
                    return plan.after.life.state
                case .stale: held.withLock { $0[claim.job] = nil }
                case .lost: throw JournalError.notOwner
                }
            } catch JournalError.gone {
                throw JournalError.notOwner
            }
        }
    }

    private func remember(_ facts: JobFacts) {
        held.withLock { $0[facts.id] = facts.holder == holder ? facts : nil }
    }

    public func beat(_ holder: HolderID) async throws -> LeaseAnswer {
        let clock = clock
        return try await reading.read { connection in
            let rows = try connection.rows(
                """
                UPDATE nodes SET beat = beat + 1 WHERE id = $1
                RETURNING (extract(epoch FROM clock_timestamp()) * 1000)::bigint
                """, [holder.description])
            guard let time = rows.first?.first.flatMap({ $0 }).flatMap({ Int64($0) }) else { return .gone }
            clock.measured(time)
            return .held
        }
    }

    /// The DELETE waits for the batches of the other node that are under way, and no batch begins after it. The stages
    /// are put back by statements of their own. If this node dies between them, whoever calls this again goes on.
    @discardableResult
    public func declareGone(_ holder: HolderID) async throws -> Int {
        let name = [holder.description]
        let jobs = try await reading.read { connection in
            try connection.rows("DELETE FROM nodes WHERE id = $1", name)
            try connection.rows("UPDATE jobs SET reserved_by = NULL WHERE reserved_by = $1", name)
            return try connection.rows("SELECT id FROM jobs WHERE holder = $1 ORDER BY key", name)
                .compactMap { $0[0].flatMap { JobID($0) } }
        }
        var count = 0
        for job in jobs {
            while let facts = try await facts(of: job), facts.holder == holder {
                let plan = try LedgerPlan.recover(facts, at: clock.reading())
                await faults.beforeCommit()
                guard try await writer.execute(plan) == .done else { continue }
                count += 1
            }
        }
        return count
    }

    /// Stops handing out stages of a queue. The row's lock is what a claim's precondition waits for.
    public func pause(_ queue: QueueName, isPaused: Bool = true) async throws {
        try await reading.read {
            _ = try $0.rows(
                """
                INSERT INTO queues (name, paused) VALUES ($1, $2)
                ON CONFLICT (name) DO UPDATE SET paused = excluded.paused
                """, [queue.description, "\(isPaused)"])
        }
    }

    public func observeWork(_ observer: @escaping @Sendable (WorkNotice) -> Void) { observers.add(work: observer) }

    // MARK: Log

    public func events(
        of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int
    ) async throws -> EventPage? {
        try await reading.read { try Reading($0).events(of: job, of: tenant, after: after, limit: limit) }
    }

    public func events(_ query: FeedQuery) async throws -> FeedPage {
        try await reading.read { try Reading($0).events(query) }
    }

    public func tail(_ observer: @escaping @Sendable (TailNotice) -> Void) { observers.add(tail: observer) }
}

/// What goes wrong around a node, for tests.
public struct NodeFaults: Sendable {
    /// Is awaited between the judgement and the batch, in which others may commit.
    public var beforeCommit: @Sendable () async -> Void
    /// Where the connection of the next batch is cut; `nil` if it is not.
    public var cut: @Sendable () -> Cut?

    public init(
        beforeCommit: @escaping @Sendable () async -> Void = {}, cut: @escaping @Sendable () -> Cut? = { nil }
    ) {
        self.beforeCommit = beforeCommit
        self.cut = cut
    }
}
