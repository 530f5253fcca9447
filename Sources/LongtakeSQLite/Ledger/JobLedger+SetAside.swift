import GRDB
import LongtakeCore

/// A job whose rows cannot be read is set aside, so that it holds up neither its queue nor a start: it fails with the code `unreadable`.
///
/// What could not be read stays as it is, for whoever wants to look at it: only the state of the job and of its stage changes, and one
/// event is appended.
extension JobLedger {
    /// Whether an error is one of decoding a row. A `DatabaseError` is a failure of the database, a ``JournalError`` a refused command.
    static func isUnreadable(_ error: any Error) -> Bool { !(error is DatabaseError) && !(error is JournalError) }

    /// Reads something of a job. If that cannot be read, the job is set aside.
    /// - Parameter body: reads rows. It must not write before it throws, because the surrounding transaction still commits.
    /// - Returns: `nil` if the job was set aside.
    func reading<Value>(
        _ key: Int64, at moment: ClockReading, _ db: Database, _ body: () throws -> Value
    ) throws -> Value? {
        do {
            return try body()
        } catch  where Self.isUnreadable(error) {
            try setAside(key, because: "\(error)", at: moment, db)
            return nil
        }
    }

    /// Marks the job as failed without decoding its damaged columns. If the job is already final, only its stages fail.
    func setAside(_ key: Int64, because reason: String, at moment: ClockReading, _ db: Database) throws {
        guard
            let row = try Row.fetchOne(
                db, sql: "SELECT id, tenant, pipeline, state FROM job WHERE key = ?", arguments: [key])
        else { return }
        guard JobState(rawValue: row[3])?.isFinal != true else {
            // The job is over, but a stage of it still waits or runs: a write of its row or of the stage's was lost. Only the stage is in
            // the way.
            try setAsideStages(of: key, at: moment.time, db)
            mended.append("stages of job \(row[0] as String), which is over")
            return
        }
        let (id, tenant): (String, String) = (row[0], row[1])
        let log = try logEnd(of: key, db)
        let time = moment.told(notBefore: log.at).time
        let error = JobError.unreadable
        let event = JobEvent(progress: log.progress, change: .failed(error))
        let payload = event.payload()
        try statements(db).insertEvent.run(
            key, log.head + 1, event.type.rawValue, time.millisecondsSince1970, payload)
        let position = EventPosition(rawValue: db.lastInsertedRowID)
        try db.execute(
            sql: "UPDATE job SET state = 'failed', phase = 'failed', error = ?, finished_at = ? WHERE key = ?",
            arguments: [try JSONText.encode(error), moment.steady.millisecondsSince1970, key])
        try setAsideStages(of: key, at: time, db)
        if row[3] as String == JobState.queued.rawValue { queued.add(-1, of: TenantName(unchecked: tenant)) }
        setAsideNow.append(SetAsideJobs.Job(id: id, key: key, reason: reason))
        guard let id = JobID(id) else { return }
        forgetActive(id)
        publish(
            CommittedEvent(
                id: EventID(epoch: epoch, sequence: EventSequence(rawValue: log.head + 1)), position: position,
                job: id, tenant: TenantName(unchecked: tenant), pipeline: PipelineName(unchecked: row[2]),
                type: event.type, at: time, payload: payload))
    }

    /// The last number of a log and its time, and the highest progress that its events tell, as far as they can be read.
    private struct LogEnd {
        var head: Int64 = 0
        var at = Timestamp(millisecondsSince1970: 0)
        var progress = Progress.none
    }

    private func logEnd(of key: Int64, _ db: Database) throws -> LogEnd {
        var end = LogEnd()
        let row = try Row.fetchOne(
            db,
            sql: """
                SELECT coalesce(max(seq), 0), coalesce(max(at), 0), max(CASE WHEN json_valid(payload) THEN
                    CASE WHEN json_type(payload, '$.progress') IN ('integer', 'real')
                        THEN json_extract(payload, '$.progress') END END)
                FROM event WHERE job = ?
                """, arguments: [key])
        guard let row else { return end }
        end.head = row[0]
        end.at = Timestamp(millisecondsSince1970: row[1])
        if let told = row.real(2) { end.progress = min(Progress(told), .almostComplete) }
        return end
    }

    /// Fails the job's queued and running stages. Workers lose their claims and cannot claim the stages again.
    private func setAsideStages(of key: Int64, at time: Timestamp, _ db: Database) throws {
        let stages = try Row.fetchAll(
            db,
            sql: """
                SELECT queue, tenant, priority FROM stage WHERE job = ? AND state = 'queued' AND due_at IS NULL
                """, arguments: [key])
        for stage in stages {
            waiting.add(
                -1, on: QueueName(unchecked: stage[0]), of: TenantName(unchecked: stage[1]),
                at: Priority(clamping: stage[2]))
        }
        try db.execute(
            sql: """
                UPDATE stage SET state = 'failed', token = NULL, due_at = NULL, finished_at = ?
                WHERE job = ? AND state IN ('queued', 'running')
                """, arguments: [time.millisecondsSince1970, key])
    }
}
