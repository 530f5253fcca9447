import GRDB
import LongtakeCore

/// Reads all jobs with their logs once, in the order of the index, and holds one job at a time.
struct JobSweep {
    /// Whether the database has the columns of migration `7-holders`.
    let hasHolders: Bool
    /// Told after each job, with its key and the highest there is.
    let progress: (Int64, Int64) -> Void

    /// Once for each job, since a member may be large.
    private static let readableQuery = """
        SELECT substr(
            CASE WHEN json_valid(definition) THEN '' ELSE ', definition' END || CASE WHEN json_valid(input) THEN '' ELSE ', input' END
            || CASE WHEN json_valid(metadata) THEN '' ELSE ', metadata' END
            || CASE WHEN simulation IS NULL OR json_valid(simulation) THEN '' ELSE ', simulation' END
            || CASE WHEN output IS NULL OR json_valid(output) THEN '' ELSE ', output' END
            || CASE WHEN error IS NULL OR json_valid(error) THEN '' ELSE ', error' END, 3)
        FROM job WHERE key = ?
        """

    /// The log's index gives each job's events in order. A member that is no JSON is NULL, instead of an error for the whole query.
    private static let query = """
        SELECT job.key, job.id, job.tenant, job.state, job.phase, job.stage_index, job.priority, job.started_at IS NOT NULL,
            job.finished_at,
            CASE WHEN json_valid(job.definition) THEN json_array_length(job.definition, '$.stages') END,
            event.position, event.seq, event.type, event.at,
            CASE WHEN json_valid(event.payload) THEN json_extract(event.payload, '$.progress') END,
            CASE WHEN json_valid(event.payload) THEN json_extract(event.payload, '$.stage_progress') END,
            CASE WHEN json_valid(event.payload) THEN json_extract(event.payload, '$.index') END,
            CASE WHEN json_valid(event.payload) THEN json_extract(event.payload, '$.attempt') END,
            CASE WHEN json_valid(event.payload) THEN json_extract(event.payload, '$.final') END,
            CASE WHEN json_valid(event.payload) THEN json_extract(event.payload, '$.error.code') END
        FROM job LEFT JOIN event ON event.job = job.key ORDER BY job.key, event.seq
        """
    /// Of a database that an earlier version left, `holder` and `fence` are not there yet: what runs is known by its
    /// `token`, and the claims were not counted.
    private static func stageQuery(hasHolders: Bool) -> String {
        """
        SELECT number, queue, tenant, priority, state, mark, attempt, \(hasHolders ? "holder" : "token"), checkpoint,
            due_at IS NOT NULL,
            (SELECT CASE WHEN json_valid(definition) THEN json_extract(definition, '$.stages[' || number || '].queue') END
                FROM job WHERE key = stage.job), \(hasHolders ? "fence" : "NULL")
        FROM stage WHERE job = ? ORDER BY number
        """
    }

    func run(into inspection: inout StorageInspection, _ db: Database) throws {
        let last = try Int64.fetchOne(db, sql: "SELECT max(key) FROM job") ?? 0
        var current: InspectedJob?
        try db.forEachRow(Self.query) { row in
            let key = row.int64(0)
            if key != current?.key {
                if let job = current { try finish(job, last, into: &inspection, db) }
                current = InspectedJob(row)
                inspection.jobs += 1
            }
            guard !row.isNull(10) else { return true }
            inspection.events += 1
            current?.add(Self.event(row))
            return true
        }
        if let job = current { try finish(job, last, into: &inspection, db) }
    }

    private func finish(_ job: InspectedJob, _ last: Int64, into inspection: inout StorageInspection, _ db: Database)
        throws
    {
        var (job, rows, unreadable) = (job, [StageRow](), "")
        try db.forEachRow(Self.readableQuery, job.key) { row in
            unreadable = row.text(0)
            return true
        }
        job.compareRow(unreadable: unreadable)
        try db.forEachRow(Self.stageQuery(hasHolders: hasHolders), job.key) { row in
            rows.append(StageRow(row))
            return true
        }
        job.compareStages(rows)
        job.tell(&inspection)
        progress(job.key, last)
    }

    private static func event(_ row: RawRow) -> LogFold.Event {
        LogFold.Event(
            position: row.int64(10), seq: row.int64(11), type: row.text(12), at: row.int64(13),
            progress: row.double(14), stageProgress: row.double(15), index: row.isNull(16) ? nil : row.int64(16),
            attempt: row.isNull(17) ? nil : row.int64(17), isFinal: row.bool(18),
            errorCode: row.text(19))
    }
}
