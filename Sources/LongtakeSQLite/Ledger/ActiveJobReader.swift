import GRDB
import LongtakeCore

/// Reads a job for the writer's next decision: the row of its last change of state, brought forward by its last event.
///
/// It trusts nothing: each value that a decision or a statement depends on is checked here, so that a row that was damaged stops its own
/// job and not the queue.
struct ActiveJobReader {
    let starts: SteadyStarts

    private static let query = """
        SELECT job.tenant, job.priority, job.definition, job.phase, job.stage_index, job.started_at,
            stage.mark, stage.attempt, stage.checkpoint, stage.started_at, stage.holder, stage.due_at,
            stage.queue, stage.tenant, stage.priority, stage.state,
            event.seq, event.type, event.at, \(JobReader.member("progress")), \(JobReader.member("stage_progress")), stage.fence
        FROM job
        JOIN stage ON stage.job = job.key AND stage.number = job.stage_index
        JOIN event ON event.job = job.key AND event.seq = (SELECT max(seq) FROM event WHERE job = job.key)
        WHERE job.key = ?
        """

    /// No log and no stage comes near this.
    private static let most: Int64 = 1 << 32
    /// The last time that has four digits for its year (RFC 3339), in milliseconds.
    private static let year9999: Int64 = 253_402_300_799_999

    /// - Throws: ``UnreadableRow`` or an error of decoding.
    func read(_ id: JobID, _ key: Int64, _ db: Database) throws -> ActiveJob {
        guard let row = try Row.fetchOne(try db.cachedStatement(sql: Self.query), arguments: [key]) else {
            throw UnreadableRow("job \(id) has no current stage or no events")
        }
        guard let progress = row.real(19) else {
            throw UnreadableRow("the last event of job \(id)")
        }
        let checkpoint: Double = row[8]
        guard (0...1).contains(checkpoint), let told = row.number(20) else {
            throw UnreadableRow("the checkpoint of job \(id)")
        }
        // Numbers that would overflow what is counted from them, or times that nobody can have meant.
        let times = [5, 9, 11, 18].compactMap(row.whole)
        guard (0...Self.most).contains(row[16] as Int64), (0...Self.most).contains(row[7] as Int64),
            (0...Self.most).contains(row[21] as Int64),
            times.allSatisfy({ (0...Self.year9999).contains($0) })
        else { throw UnreadableRow("the numbers of job \(id)") }
        guard let priority = Priority(row[1]) else { throw UnreadableRow("job.priority of \(id)") }
        let life = JobLife(
            phase: try JobLife.Phase(column: row[3], mark: row[6]), stageIndex: row[4], attempt: row[7],
            stageProgress: JobReader.stageProgress(checkpoint: checkpoint, lastType: row[17], told: told),
            progress: Progress(progress), stageStartedAt: starts.stage(id, startedAt: Timestamp(column: row[9])),
            startedAt: starts.job(id, startedAt: Timestamp(column: row[5])))
        let facts = JobFacts(
            id: id, tenant: TenantName(unchecked: row[0]), priority: priority,
            pipeline: try JSONText.decode(Pipeline.self, from: row[2]), life: life,
            head: EventSequence(rawValue: row[16]), lastAt: Timestamp(millisecondsSince1970: row[18]),
            fence: Fence(rawValue: row[21]), holder: (row[10] as Int64?).map(HolderID.init),
            dueAt: Timestamp(column: row[11]))
        // What the counts of waiting stages are changed by must be what they were made from.
        guard facts.pipeline.stages.indices.contains(life.stageIndex), facts.stage.queue.description == row[12],
            facts.tenant.description == row[13], facts.priority.rawValue == row[14],
            life.stageState.rawValue == row[15]
        else { throw UnreadableRow("the current stage of job \(id)") }
        return ActiveJob(key: key, facts: facts)
    }
}

extension Row {
    /// A member of JSON that is a number or missing: `.some(nil)` for a missing one, `nil` for anything else.
    fileprivate func number(_ column: Int) -> Double?? {
        if isNull(column) { return .some(nil) }
        return real(column).map { .some($0) }
    }
}
