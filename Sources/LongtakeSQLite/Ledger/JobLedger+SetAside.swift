import GRDB
import LongtakeCore

/// A job whose rows cannot be read is set aside, so that it blocks neither its queue nor a start. It
/// fails with the code `unreadable`.
///
/// What cannot be read stays as it is, for whoever wants to look at it. Only the state of the job
/// and of its stages changes, and one event is appended.
extension JobLedger {
    /// Whether an error is one of decoding a row. A `DatabaseError` is a failure of the database, and a
    /// ``JournalError`` is a refused command.
    static func isUndecodable(_ error: any Error) -> Bool {
        !(error is DatabaseError) && !(error is JournalError)
    }

    private static func isCorrupt(_ error: any Error) -> Bool {
        (error as? DatabaseError)?.resultCode == .SQLITE_CORRUPT
    }

    /// Reads something of a job. If that cannot be decoded, the job is set aside.
    /// - Parameter body: reads rows. It must not write before it throws, because the surrounding
    ///   transaction still commits.
    /// - Returns: `nil` if the job was set aside.
    /// - Throws: ``CorruptJob`` if SQLite calls a page of the job corrupt.
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

    /// A page of a job is corrupt. SQLite refuses every further write of a transaction that has met one,
    /// so the transaction is rolled back and the job is set aside in another.
    struct CorruptJob: Error {
        let key: Int64
        let cause: DatabaseError
    }

    /// How much of a job is still written when it is set aside.
    enum Extent {
        case everything
        /// Rewriting the job's row would read all of it, which its damaged page prevents.
        case eventAndStages
        /// The log cannot be read either.
        case stages

        /// What to try for a corrupt job, one after the other. Its stages are enough to unblock the queue.
        static let ofCorruptJob = [eventAndStages, stages]
    }

    /// Whether a corrupt job is set aside. Each is tried once. Beyond the limit the damage is the database's
    /// and not a job's: failing every job, one after the other, would destroy what a restore or a repair
    /// could save.
    func maySetAside(_ corrupt: CorruptJob) -> Bool {
        corruptJobs.count < Limits.corruptJobsSetAside && corruptJobs.insert(corrupt.key).inserted
    }

    /// Within a transaction of its own.
    func setAside(_ corrupt: CorruptJob, _ extent: Extent, _ db: Database) throws {
        try setAside(corrupt.key, because: "\(corrupt.cause)", at: clock.reading(), extent, db)
    }

    /// Marks the job as failed without decoding its damaged columns. If the job is already final, only its
    /// stages fail.
    private func setAside(
        _ key: Int64, because reason: String, at moment: ClockReading, _ extent: Extent, _ db: Database
    ) throws {
        guard
            let row = try Row.fetchOne(
                db, sql: "SELECT id, tenant, pipeline, state FROM job WHERE key = ?", arguments: [key])
        else { return }
        guard JobState(rawValue: row[3])?.isFinal != true else {
            // The job is over, but a stage of it still waits or runs: a write of its row or of the
            // stage's was lost. Only the stage is in the way.
            try setAsideStages(of: key, at: moment.time, db)
            mended.append("stages of job \(row[0] as String), which is over")
            return
        }
        let (text, tenant): (String, TenantName) = (row[0], TenantName(unchecked: row[1]))
        let error = JobError.unreadable
        var (event, time): (CommittedEvent?, Timestamp) = (nil, moment.time)
        if extent != .stages {
            let log = try logEnd(of: key, db)
            time = moment.told(notBefore: log.at).time
            if !log.isFinal {
                event = try appendFailure(error, to: key, text, tenant, row[2], behind: log, at: time, db)
            }
        }
        if extent == .everything {
            try db.execute(
                sql: "UPDATE job SET state = 'failed', phase = 'failed', error = ?, finished_at = ? WHERE key = ?",
                arguments: [try JSONText.encode(error), moment.steady.millisecondsSince1970, key])
        }
        try setAsideStages(of: key, at: time, db)
        if row[3] as String == JobState.queued.rawValue, extent == .everything { queued.add(-1, of: tenant) }
        setAsideNow.append(SetAsideJobs.Job(id: text, key: key, reason: reason))
        if let id = JobID(text) { forgetActive(id) }
        if let event { publish(event) }
    }

    /// Appends the final event of a job of which nothing but these columns is trusted.
    /// - Returns: `nil` if the job's id is damaged. Then the event is written, but nobody can be told.
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

    /// The last number of a log and its time, and the highest progress that its events tell, as far
    /// as they can be read.
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
        if let told = row.real(2) { end.progress = min(Progress(told), .almostComplete) }
        end.isFinal = row[3]
        return end
    }

    /// Fails the job's queued and running stages. Workers lose their claims and cannot claim the stages again.
    private func setAsideStages(of key: Int64, at time: Timestamp, _ db: Database) throws {
        let stages = try Row.fetchAll(
            db,
            sql: """
                SELECT queue, tenant, priority FROM stage WHERE job = ? AND state = 'queued' AND due_at IS NULL
                """, arguments: [key])
        try db.execute(
            sql: """
                UPDATE stage SET state = 'failed', holder = NULL, due_at = NULL, finished_at = ?
                WHERE job = ? AND state IN ('queued', 'running')
                """, arguments: [time.millisecondsSince1970, key])
        for stage in stages {
            waiting.add(
                -1, on: QueueName(unchecked: stage[0]), of: TenantName(unchecked: stage[1]),
                at: Priority(clamping: stage[2]))
        }
    }
}
