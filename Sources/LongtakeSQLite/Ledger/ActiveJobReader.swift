import GRDB
import LongtakeCore

/// Reads the facts of a job for a plan: its row, updated by its last event.
///
/// It checks each value that a plan or a statement depends on. So a damaged row stops its own job
/// and not the queue.
struct ActiveJobReader {
    let starts: SteadyStarts

    private static let query = """
        SELECT job.tenant, job.priority, job.definition, job.phase, job.stage_index, job.started_at,
            stage.mark, stage.attempt, stage.checkpoint, stage.started_at, stage.holder, stage.due_at,
            stage.queue, stage.tenant, stage.priority, stage.state,
            event.seq, event.type, event.at, \(JobReader.member("progress")), \(JobReader.member("stage_progress")), stage.fence,
            stage.delay, stage.silent_crashes
        FROM job
        JOIN stage ON stage.job = job.key AND stage.number = job.stage_index
        JOIN event ON event.job = job.key AND event.seq = (SELECT max(seq) FROM event WHERE job = job.key)
        WHERE job.key = ?
        """

    /// No event log and no stage reaches this number.
    private static let most: Int64 = 1 << 32
    /// The last time with a four-digit year (RFC 3339), in milliseconds.
    private static let year9999: Int64 = 253_402_300_799_999

    /// - Throws: ``UnreadableRow`` or a decoding error.
    func read(_ id: JobID, _ key: Int64, _ db: Database) throws -> ActiveJob {
        guard let row = try Row.fetchOne(try db.cachedStatement(sql: Self.query), arguments: [key]) else {
            throw UnreadableRow("job \(id) has no current stage or no events")
        }
        guard let progress = row.real(19) else {
            throw UnreadableRow("the last event of job \(id)")
        }
        let checkpoint: Double = row[8]
        guard (0...1).contains(checkpoint), let reported = row.number(20) else {
            throw UnreadableRow("the checkpoint of job \(id)")
        }
        // Larger numbers would overflow a counter, and other times make no sense.
        let times = [5, 9, 11, 18].compactMap(row.whole)
        guard (0...Self.most).contains(row[16] as Int64), (0...Self.most).contains(row[7] as Int64),
            (0...Self.most).contains(row[21] as Int64), (0...Self.most).contains(row.whole(22) ?? 0),
            (0...Self.most).contains(row[23] as Int64),
            times.allSatisfy({ (0...Self.year9999).contains($0) })
        else { throw UnreadableRow("the numbers of job \(id)") }
        guard let priority = Priority(row[1]) else { throw UnreadableRow("job.priority of \(id)") }
        let life = JobLife(
            phase: try JobLife.Phase(column: row[3], mark: row[6]), stageIndex: row[4], attempt: row[7],
            stageProgress: JobReader.stageProgress(checkpoint: checkpoint, lastType: row[17], reported: reported),
            progress: Progress(progress), stageStartedAt: starts.stage(id, startedAt: Timestamp(column: row[9])),
            startedAt: starts.job(id, startedAt: Timestamp(column: row[5])))
        let facts = JobFacts(
            id: id, tenant: TenantName(unchecked: row[0]), priority: priority,
            pipeline: try JSONText.decode(Pipeline.self, from: row[2]), life: life,
            head: EventSequence(rawValue: row[16]), lastAt: Timestamp(millisecondsSince1970: row[18]),
            fence: Fence(rawValue: row[21]), holder: (row[10] as Int64?).map(HolderID.init),
            dueAt: Timestamp(column: row[11]), delay: (row[22] as Int64?).map { .milliseconds($0) },
            silentCrashes: row[23])
        // The counters of waiting stages were loaded from these columns, so they must agree.
        guard facts.pipeline.stages.indices.contains(life.stageIndex), facts.stage.queue.description == row[12],
            facts.tenant.description == row[13], facts.priority.rawValue == row[14],
            life.stageState.rawValue == row[15]
        else { throw UnreadableRow("the current stage of job \(id)") }
        return ActiveJob(key: key, facts: facts)
    }
}

extension Row {
    /// A number in JSON: `.some(nil)` if it is missing, `nil` if it is something else.
    fileprivate func number(_ column: Int) -> Double?? {
        if isNull(column) { return .some(nil) }
        return real(column).map { .some($0) }
    }
}

/// The start times of jobs and their current stages on the steady clock, for jobs that started in
/// this boot. The rows contain only wall times, and the wall clock may have been set since then.
///
/// It is separate from the cache of active jobs, because that cache evicts jobs, and a rollback
/// empties it.
struct SteadyStarts {
    private struct Start {
        var job: Timestamp?
        var stage: Timestamp?
    }

    private var starts: [JobID: Start] = [:]
    /// Changes of the present transaction.
    private var noted: [JobID: Start] = [:]
    /// Jobs that ended in the present transaction.
    private var ended: [JobID] = []
    /// 16 times the cache of active jobs, about 6 MB. For jobs beyond this limit, durations use the
    /// wall time.
    private static let most = 262_144

    /// A job has changed its state.
    mutating func note(_ job: JobFacts) {
        guard !job.life.state.isFinal else { return ended.append(job.id) }
        guard let started = job.life.startedAt, starts.count < Self.most || starts[job.id] != nil else { return }
        noted[job.id] = Start(job: started.steady, stage: job.life.stageStartedAt?.steady)
    }

    mutating func end(_ id: JobID) { ended.append(id) }

    /// - Parameter time: the time in the row; `nil` if the job has not started.
    func job(_ id: JobID, startedAt time: Timestamp?) -> ClockReading? {
        time.map { ClockReading($0, steady: find(id)?.job) }
    }

    /// The same for the current stage.
    func stage(_ id: JobID, startedAt time: Timestamp?) -> ClockReading? {
        time.map { ClockReading($0, steady: find(id)?.stage) }
    }

    private func find(_ id: JobID) -> Start? { noted[id] ?? starts[id] }

    /// The transaction was committed.
    mutating func keep() {
        if !noted.isEmpty {
            starts.merge(noted) { $1 }
            noted.removeAll(keepingCapacity: true)
        }
        for id in ended { starts[id] = nil }
        ended.removeAll(keepingCapacity: true)
    }

    /// The transaction was rolled back, and with it these changes.
    mutating func undo() {
        noted.removeAll(keepingCapacity: true)
        ended.removeAll(keepingCapacity: true)
    }
}
