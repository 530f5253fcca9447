import GRDB
import Logging
import LongtakeCore
import Synchronization

/// Sets aside a job whose rows cannot be read, so that it blocks neither its queue nor a start. The
/// job fails with the code `unreadable`.
///
/// Rows that cannot be read keep their bytes, for a later inspection. Only the state of the job and
/// of its stages changes, and one event is appended.
extension JobLedger {
    /// Whether an error is a decoding error. A `DatabaseError` is a failure of the database, and a
    /// ``JournalError`` is a rejected command.
    static func isUndecodable(_ error: any Error) -> Bool {
        !(error is DatabaseError) && !(error is JournalError)
    }

    static func isCorrupt(_ error: any Error) -> Bool {
        (error as? DatabaseError)?.resultCode == .SQLITE_CORRUPT
    }

    /// Reads something of a job. If it cannot be decoded, the job is set aside.
    /// - Parameter body: reads rows. It must not write before it throws, because the surrounding
    ///   transaction still commits.
    /// - Returns: `nil` if the job was set aside.
    /// - Throws: ``CorruptJob`` if SQLite reports a corrupt page.
    func reading<Value>(
        _ key: Int64, at moment: ClockReading, _ db: Database, _ body: () throws -> Value
    ) throws -> Value? {
        do {
            return try body()
        } catch  where Self.isUndecodable(error) {
            try setAside(key, because: "\(error)", at: moment, .everything, db)
            return nil
        } catch let error as DatabaseError where Self.isCorrupt(error) {
            throw CorruptJob(key: key, cause: error)
        }
    }

    /// A page of a job is corrupt. SQLite rejects every further write of that transaction, so it is
    /// rolled back, and another transaction sets the job aside.
    struct CorruptJob: Error {
        let key: Int64
        let cause: DatabaseError
    }

    /// How much of a job is still written when it is set aside.
    enum Extent {
        case everything
        /// Rewriting the job's row would read all of it, which its damaged page prevents.
        case eventAndStages
        /// The event log cannot be read either.
        case stages

        /// The extents to try for a corrupt job, in this order. Its stages are enough to unblock
        /// the queue.
        static let ofCorruptJob = [eventAndStages, stages]
    }

    /// Begins to set a corrupt job aside. Each job is tried once. Beyond the limit, the database
    /// itself is damaged. Then failing one job after the other would destroy data that a restore or
    /// a repair could save.
    /// - Returns: `false` if the job must not be set aside.
    func beginSetAside(of corrupt: CorruptJob) -> Bool {
        corruptJobs.count < SQLiteLimits.corruptJobsSetAside && corruptJobs.insert(corrupt.key).inserted
    }

    /// Setting the job aside failed for a reason that says nothing about the job, such as a full
    /// disk. So that attempt does not count.
    func forgetSetAside(of corrupt: CorruptJob) { corruptJobs.remove(corrupt.key) }

    /// Runs within a transaction of its own.
    func setAside(_ corrupt: CorruptJob, _ extent: Extent, _ db: Database) throws {
        try setAside(corrupt.key, because: "\(corrupt.cause)", at: clock.reading(), extent, db)
    }

    /// Marks the job as failed without decoding its damaged columns. If the job is already final,
    /// only its stages fail.
    private func setAside(
        _ key: Int64, because reason: String, at moment: ClockReading, _ extent: Extent, _ db: Database
    ) throws {
        guard
            let row = try Row.fetchOne(
                db, sql: "SELECT id, tenant, pipeline, state FROM job WHERE key = ?", arguments: [key])
        else { return }
        guard JobState(rawValue: row[3])?.isFinal != true else {
            // The job is final, but one of its stages still waits or runs: a write of the job's row
            // or of the stage's row was lost. Only the stage is in the way.
            try setAsideStages(of: key, at: moment.time, db)
            corrected.append("stages of job \(row[0] as String), which is final")
            return
        }
        let (text, tenant): (String, TenantName) = (row[0], TenantName(unchecked: row[1]))
        let error = JobError.unreadable
        var (event, time): (CommittedEvent?, Timestamp) = (nil, moment.time)
        if extent != .stages {
            let log = try logEnd(of: key, db)
            time = moment.clamped(notBefore: log.at).time
            if !log.isFinal {
                event = try appendFailure(error, to: key, text, tenant, row[2], behind: log, at: time, db)
            }
        }
        if extent == .everything {
            try db.execute(
                sql: "UPDATE job SET state = 'failed', phase = 'failed', error = ?, finished_at = ? WHERE key = ?",
                arguments: [try JSONText.encode(error), moment.steady.millisecondsSince1970, key])
            try statements(db).endIntermediates.run(moment.steady.millisecondsSince1970, key)
        }
        try setAsideStages(of: key, at: time, db)
        if row[3] as String == JobState.queued.rawValue, extent == .everything { queued.add(-1, of: tenant) }
        setAsideNow.append(SetAsideJobs.Job(id: text, key: key, reason: reason))
        if let id = JobID(text) {
            forgetActive(id)
            estimates?.forget(id)
        }
        if let event { publish(event) }
    }

    /// Appends the final event of a job. Only these columns of the job are trusted.
    /// - Returns: `nil` if the job's id is damaged. Then the event is stored, but not published.
    private func appendFailure(
        _ error: JobError, to key: Int64, _ text: String, _ tenant: TenantName, _ pipeline: String,
        behind log: LogEnd, at time: Timestamp, _ db: Database
    ) throws -> CommittedEvent? {
        let event = JobEvent(progress: log.progress, change: .failed(error))
        let payload = event.payload()
        try statements(db).insertEvent.run(
            key, log.head + 1, event.type.rawValue, time.millisecondsSince1970, payload)
        let position = EventPosition(rawValue: db.lastInsertedRowID)
        return JobID(text).map {
            CommittedEvent(
                id: EventID(epoch: epoch, sequence: EventSequence(rawValue: log.head + 1)), position: position,
                job: $0, tenant: tenant, pipeline: PipelineName(unchecked: pipeline), type: event.type, at: time,
                payload: payload)
        }
    }

    /// The last number of an event log, its time, and the highest progress in its events, as far as
    /// they can be read.
    private struct LogEnd {
        var head: Int64 = 0
        var at = Timestamp(millisecondsSince1970: 0)
        var progress = Progress.none
        var isFinal = false
    }

    private func logEnd(of key: Int64, _ db: Database) throws -> LogEnd {
        var end = LogEnd()
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT coalesce(max(seq), 0), coalesce(max(at), 0), max(CASE WHEN json_valid(payload) THEN
                    CASE WHEN json_type(payload, '$.progress') IN ('integer', 'real')
                        THEN json_extract(payload, '$.progress') END END),
                    coalesce(max(type IN ('job.succeeded', 'job.failed', 'job.canceled')), 0)
                FROM event WHERE job = ?
                """, arguments: [key])
        guard let row else { return end }
        end.head = row[0]
        end.at = Timestamp(millisecondsSince1970: row[1])
        if let value = row.real(2) { end.progress = min(Progress(value), .almostComplete) }
        end.isFinal = row[3]
        return end
    }

    /// Fails the job's queued and running stages. Workers lose their claims and cannot claim the
    /// stages again.
    private func setAsideStages(of key: Int64, at time: Timestamp, _ db: Database) throws {
        let stages = try Row.fetchAll(
            db,
            sql: """
                SELECT queue, tenant, priority, state = 'running' FROM stage
                WHERE job = ? AND (state = 'running' OR (state = 'queued' AND due_at IS NULL))
                """, arguments: [key])
        try db.execute(
            sql: """
                UPDATE stage SET state = 'failed', holder = NULL, due_at = NULL, finished_at = ?
                WHERE job = ? AND state IN ('queued', 'running')
                """, arguments: [time.millisecondsSince1970, key])
        for stage in stages {
            let queue = QueueName(unchecked: stage[0])
            guard !(stage[3] as Bool) else {
                estimates?.lose(queue)
                continue
            }
            estimates?.leave(queue)
            waiting.add(-1, on: queue, of: TenantName(unchecked: stage[1]), at: Priority(clamping: stage[2]))
        }
    }
}

/// Logs which jobs were set aside because their rows cannot be read, and counts them since the
/// start.
final class SetAsideJobs: Sendable {
    private let logger: Logger?
    private let total = Atomic(0)

    /// A job that was set aside.
    struct Job: Hashable, Sendable {
        /// The stored text, which may not be a valid id.
        let id: String
        /// `job.key` of its row.
        let key: Int64
        let reason: String
    }

    /// - Parameter logger: `nil` for no log lines.
    init(logger: Logger? = nil) { self.logger = logger }

    var count: Int { total.load(ordering: .relaxed) }

    /// Called when the transaction is durable.
    func log(_ jobs: [Job]) {
        guard !jobs.isEmpty else { return }
        total.add(jobs.count, ordering: .relaxed)
        for job in jobs {
            logger?.error(
                "a job cannot be read and was set aside; it failed with the code unreadable, and its row keeps its bytes",
                metadata: ["job": "\(job.id)", "key": "\(job.key)", "error": "\(job.reason)"])
        }
    }

    /// A counter was wrong and is corrected.
    func log(corrected what: String) {
        logger?.error("a counter in the database was wrong and is corrected", metadata: ["counter": "\(what)"])
    }
}
