import GRDB
import LongtakeCore

/// Reads all jobs with their event logs once, in the order of the index, and keeps one job at a
/// time in memory.
struct JobSweep {
    /// Whether the database has the columns of migration `7-holders`.
    let hasHolders: Bool
    /// Called after each job, with its key and the largest key.
    let progress: (Int64, Int64) -> Void

    /// One query per job, because a member may be large.
    private static let readableQuery = """
        SELECT substr(
            CASE WHEN json_valid(definition) THEN '' ELSE ', definition' END || CASE WHEN json_valid(input) THEN '' ELSE ', input' END
            || CASE WHEN json_valid(metadata) THEN '' ELSE ', metadata' END
            || CASE WHEN simulation IS NULL OR json_valid(simulation) THEN '' ELSE ', simulation' END
            || CASE WHEN output IS NULL OR json_valid(output) THEN '' ELSE ', output' END
            || CASE WHEN error IS NULL OR json_valid(error) THEN '' ELSE ', error' END, 3)
        FROM job WHERE key = ?
        """

    /// The index of the event log returns each job's events in order. Invalid JSON gives NULL
    /// instead of an error for the whole query.
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
    /// A database of an earlier version has no `holder` and no `fence`. There, a running stage has
    /// a `token`, and claims were not counted.
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
        job.report(to: &inspection)
        progress(job.key, last)
    }

    private static func event(_ row: RawRow) -> EventFold.Event {
        EventFold.Event(
            position: row.int64(10), seq: row.int64(11), type: row.text(12), at: row.int64(13),
            progress: row.double(14), stageProgress: row.double(15), index: row.isNull(16) ? nil : row.int64(16),
            attempt: row.isNull(17) ? nil : row.int64(17), isFinal: row.bool(18),
            errorCode: row.text(19))
    }
}

/// A job's row and the fold of its event log.
struct InspectedJob {
    let key: Int64
    private let id, tenant, state, phase: String
    private let stageIndex, priority: Int64
    private let hasStarted: Bool
    private let finishedAt: Int64?
    private var fold: EventFold
    /// The violations of this job.
    private var violations: [Violation] = []

    /// The job is hidden while its events are removed, the first ones first.
    private var isHidden: Bool { tenant.isEmpty }

    init(_ row: RawRow) {
        key = row.int64(0)
        id = row.text(1)
        tenant = row.text(2)
        state = row.text(3)
        phase = row.text(4)
        stageIndex = row.int64(5)
        priority = row.int64(6)
        hasStarted = row.bool(7)
        finishedAt = row.isNull(8) ? nil : row.int64(8)
        fold = EventFold(stages: Int(row.int64(9)), isCut: row.text(2).isEmpty)
    }

    mutating func add(_ event: EventFold.Event) {
        let id = id
        fold.add(event) { violations.append(Violation($0, job: id, $1)) }
    }

    /// Called at the end of the job. A job that was set aside does not have to be sound, because
    /// its unreadable values are kept.
    func report(to inspection: inout StorageInspection) {
        if fold.isSetAside, state == JobState.failed.rawValue {
            inspection.setAside.append(id)
        } else {
            for violation in violations { inspection.add(violation) }
        }
    }

    /// - Parameter unreadable: the JSON columns of its row with invalid JSON.
    mutating func compareRow(unreadable: String) {
        if !unreadable.isEmpty { found(.readable, "\(unreadable) cannot be read") }
        guard fold.head > 0 else { return found(.wholeLog, "it has no events") }
        let isFinal = JobState(rawValue: state)?.isFinal ?? false
        if isFinal != fold.phase.isFinal {
            found(.oneEnd, "the job is \(state), and its event log ends as “\(fold.phase)”")
        } else if state != fold.phase.state.rawValue {
            found(isFinal ? .oneEnd : .jobIsFold, "the job is \(state), and its event log says \(fold.phase.state)")
        }
        if isFinal != (finishedAt != nil) {
            found(.finishedAt, "finished_at is \(finishedAt.map(String.init) ?? "not set")")
        }
        guard !isHidden else { return }
        if !Self.phases(fold.phase).contains(phase) {
            found(.jobIsFold, "its phase is \(phase), and its event log says “\(fold.phase)”")
        }
        if stageIndex != Int64(fold.stageIndex) {
            found(.jobIsFold, "its stage is \(stageIndex + 1), and its event log says \(fold.stageIndex + 1)")
        }
        if hasStarted != fold.hasStarted { found(.jobIsFold, "started_at and job.started do not agree") }
    }

    mutating func compareStages(_ rows: [StageRow]) {
        if rows.map(\.number) != Array(0...max(0, stageIndex)) {
            found(.stageRows, "it has rows for the stages \(rows.map { $0.number + 1 })")
        }
        for row in rows {
            let name = "stage \(row.number + 1)"
            let state = row.number < stageIndex ? "succeeded" : currentState
            if row.state != state { found(.stageRows, "\(name) is \(row.state), expected \(state)") }
            if row.queue != row.plannedQueue {
                found(.stageRows, "\(name) is on \(row.queue), expected \(row.plannedQueue)")
            }
            if row.priority != priority || row.tenant != tenant && !isHidden {
                found(.stageRows, "\(name) has another tenant or priority than its job")
            }
            if (row.holder != nil) != (row.state == "running") {
                found(.fence, "\(name) is \(row.state) with the holder \(row.holder.map(String.init) ?? "none")")
            }
            guard row.number == stageIndex, !isHidden else { continue }
            // An earlier version did not count the claims, so the event log may have more.
            if let fence = row.fence, fence > fold.claims || row.holder != nil && fence < 1 {
                found(.fence, "\(name) has the fence \(fence), and its event log has \(fold.claims) claims of it")
            }
            if row.attempt != Int64(fold.attempt) {
                found(.stageRows, "\(name) is in attempt \(row.attempt), and its event log says \(fold.attempt)")
            }
            if phase == "suspended", row.checkpoint != fold.stageProgress {
                found(.stageRows, "\(name) resumes at \(row.checkpoint), and its event log says \(fold.stageProgress)")
            }
            if phase == "suspended" && row.mark.isEmpty || row.isDelayed && phase != "retrying" {
                found(.stageRows, "\(name) has a mark or a due time that does not fit a job that is \(phase)")
            }
        }
    }

    private mutating func found(_ invariant: Invariant, _ detail: String) {
        violations.append(Violation(invariant, job: id, detail))
    }

    private var currentState: String {
        switch phase {
        case "executing", "canceling": "running"
        case "succeeded", "failed", "canceled": phase
        default: "queued"
        }
    }

    /// The phases of a row that agree with an event log. After a crash, a boot suspends a stage
    /// without an event.
    private static func phases(_ stand: EventFold.Phase) -> Set<String> {
        switch stand {
        case .nothing, .begun, .complete: []
        case .executing: ["executing", "suspended"]
        default: ["\(stand)"]
        }
    }
}

/// A row of `stage`.
struct StageRow {
    let number: Int64
    let queue, tenant, state: String
    let priority: Int64
    let mark: String
    let attempt: Int64
    let holder: Int64?
    /// `nil` in a database of an earlier version.
    let fence: Int64?
    let checkpoint: Double
    let isDelayed: Bool
    let plannedQueue: String

    init(_ row: RawRow) {
        number = row.int64(0)
        queue = row.text(1)
        tenant = row.text(2)
        priority = row.int64(3)
        state = row.text(4)
        mark = row.text(5)
        attempt = row.int64(6)
        holder = row.isNull(7) ? nil : row.int64(7)
        fence = row.isNull(11) ? nil : row.int64(11)
        checkpoint = row.double(8) ?? 0
        isDelayed = row.bool(9)
        plannedQueue = row.text(10)
    }
}
