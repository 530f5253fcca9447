import GRDB
import LongtakeCore
import Synchronization

/// Reads jobs as clients see them, within the caller's transaction.
///
/// The progress of a job and of its current stage comes from its last event. A report changes no
/// row, so it costs one INSERT, and a reader needs one seek and a look into the JSON of that event.
struct JobReader {
    let epoch: Epoch
    /// `nil` for jobs without estimates.
    var board: EstimateBoard?

    /// Shared by all readers, because the decoded pipeline depends on nothing but the text.
    private static let pipelines = DecodedPipelines()

    /// A member of an event's JSON. Invalid JSON gives NULL instead of an error for the whole
    /// query.
    static func member(_ name: String) -> String {
        "CASE WHEN json_valid(event.payload) THEN json_extract(event.payload, '$.\(name)') END"
    }

    private static let columns = """
        job.key, job.id, job.tenant, job.pipeline, job.definition, job.state, job.phase, job.stage_index, job.priority, job.input,
        job.output, job.error, job.metadata, job.retry_of, job.created_at, job.started_at, event.at,
        event.seq, event.type, \(member("progress")), \(member("stage_progress")),
        job.simulation
        FROM job JOIN event ON event.job = job.key AND event.seq = (SELECT max(seq) FROM event WHERE job = job.key)
        """

    /// Only these two events contain the stage's progress. After any other event, the row of the
    /// stage has it.
    static func stageProgress(checkpoint: Double, lastType: String, reported: Double?) -> Progress {
        let hasProgress = lastType == EventType.stageProgress.rawValue || lastType == EventType.jobResumed.rawValue
        return Progress(hasProgress ? reported ?? checkpoint : checkpoint)
    }

    func job(_ id: JobID, of tenant: TenantName, _ db: Database) throws -> Job? {
        let statement = try db.cachedStatement(sql: "SELECT \(Self.columns) WHERE job.id = ? AND job.tenant = ?")
        guard let row = try Row.fetchOne(statement, arguments: [id.description, tenant.description]) else { return nil }
        guard var job = try view(row, db) else { return nil }
        job.queuePosition = try queuePosition(row, job, db)
        if let board, !job.stages.isEmpty {
            job.estimate = board.estimate(job, of: try Self.pipelines.pipeline(row[4]))
        }
        do {
            job.artifacts = try FileReader.artifacts(of: row[0], stages: job.stages.map(\.name), db)
        } catch  where JobLedger.isUndecodable(error) {
            // Shown without them, as a whole job that cannot be read is shown without its stages.
        }
        return job
    }

    /// The job that a key has created, or a conflict with another submission; `nil` if the key is
    /// new.
    func replay(of key: String, tenant: TenantName, fingerprint: String, _ db: Database) throws -> SubmissionOutcome? {
        let statement = try db.cachedStatement(sql: Self.keyQuery)
        guard let known = try Row.fetchOne(statement, arguments: [tenant.description, key]) else { return nil }
        // Compare bytes: two texts that are equal in Swift may have different bytes for the client.
        guard (known[0] as String).utf8.elementsEqual(fingerprint.utf8), let id = JobID(known[1] as String),
            let job = try job(id, of: tenant, db)
        else { return .conflict }
        return .replayed(job)
    }

    static let keyQuery = """
        SELECT idempotency.fingerprint, job.id FROM idempotency JOIN job ON job.key = idempotency.job
        WHERE idempotency.tenant = ? AND idempotency.key = ?
        """

    static func listQuery(_ query: JobQuery) -> (sql: String, arguments: StatementArguments) {
        var sql = "SELECT \(columns) WHERE job.tenant = ? AND job.key < ?"
        var arguments: StatementArguments = [query.tenant.description, query.after?.rawValue ?? Int64.max]
        if let state = query.state {
            sql += " AND job.state = ?"
            arguments += [state.rawValue]
        }
        if let pipeline = query.pipeline {
            sql += " AND job.pipeline = ?"
            arguments += [pipeline.description]
        }
        return (sql + " ORDER BY job.key DESC LIMIT ?", arguments)
    }

    func jobs(_ query: JobQuery, _ db: Database) throws -> JobPage {
        let limit = min(max(1, query.limit), Limits.jobsPerPage)
        let (sql, arguments) = Self.listQuery(query)
        let rows = try Row.fetchCursor(try db.cachedStatement(sql: sql), arguments: arguments + [limit + 1])
        var page = JobPage(
            epoch: epoch, jobs: [], next: nil, position: EventPosition(rawValue: try FeedReader.head(db)))
        var (last, bytes, seen): (Int64, Int, Int) = (0, 0, 0)
        while let row = try rows.next() {
            for column in Self.texts { bytes += try row.withUnsafeData(atIndex: column) { $0?.count ?? 0 } }
            guard page.jobs.count < limit, bytes <= SQLiteLimits.jobBytesPerPage || page.jobs.isEmpty else {
                page.next = JobListCursor(rawValue: last)
                break
            }
            last = row[0]
            seen += 1
            guard let job = try view(row, db) else { continue }
            bytes += job.stages.count * Self.stageBytes
            page.jobs.append(job)
        }
        // A row that cannot be shown counts towards the limit, so there may be more rows after the
        // last one.
        if page.next == nil, seen > limit { page.next = JobListCursor(rawValue: last) }
        return page
    }

    /// The bytes of the values with client-defined length: input, output, error, metadata.
    private static let texts = [9, 10, 11, 12]
    /// The approximate length of a stage in JSON.
    private static let stageBytes = 128

    /// A job that cannot be decoded is shown by the columns that can be. One damaged row never
    /// makes a whole list fail.
    /// - Returns: `nil` if not even its id can be decoded. Then no client can request it.
    private func view(_ row: Row, _ db: Database) throws -> Job? {
        do {
            return try whole(row, db)
        } catch  where JobLedger.isUndecodable(error) {
            return unreadable(row)
        }
    }

    /// Without input, output, metadata and stages, and with the error ``JobError/unreadable``.
    private func unreadable(_ row: Row) -> Job? {
        guard let id = JobID(row[1] as String), let state = JobState(rawValue: row[5]) else { return nil }
        return Job(
            id: id, tenant: TenantName(unchecked: row[2]), pipeline: PipelineName(unchecked: row[3]), state: state,
            progress: Progress(row.real(19) ?? 0), stage: nil, stages: [], queuePosition: nil,
            input: .null, output: nil, error: .unreadable, priority: Priority(clamping: row[8]), metadata: [:],
            cancelRequested: ["canceling", "canceled"].contains(row[6] as String),
            retryOf: (row[13] as String?).flatMap { JobID($0) },
            createdAt: Timestamp(millisecondsSince1970: row[14]), startedAt: Timestamp(column: row[15]),
            finishedAt: state.isFinal ? Timestamp(column: row[16]) : nil,
            lastEvent: EventID(epoch: epoch, sequence: EventSequence(rawValue: row[17])))
    }

    private func whole(_ row: Row, _ db: Database) throws -> Job {
        guard let id = JobID(row[1] as String), let state = JobState(rawValue: row[5]), let priority = Priority(row[8])
        else {
            throw UnreadableRow("job \(row[0] as Int64)")
        }
        let pipeline = try Self.pipelines.pipeline(row[4])
        let index: Int = row[7]
        // The text is damaged in a way that SQLite does not detect.
        guard pipeline.stages.indices.contains(index), let progress = row.real(19)
        else {
            throw UnreadableRow("job \(id)")
        }
        var stages = try stages(of: row[0], pipeline, db)
        if index < stages.count, !state.isFinal || stages[index].state != .succeeded {
            stages[index].progress = Self.stageProgress(
                checkpoint: stages[index].progress.value, lastType: row[18],
                reported: row.real(20))
        }
        return Job(
            id: id, tenant: TenantName(unchecked: row[2]), pipeline: pipeline.name, state: state,
            progress: Progress(progress),
            stage: state == .running ? pipeline.stages[index].name : nil, stages: stages, queuePosition: nil,
            input: try JSONText.decode(JSONValue.self, from: row[9]),
            output: try (row[10] as String?).map { try JSONText.decode(JSONValue.self, from: $0) },
            error: try (row[11] as String?).map { try JSONText.decode(JobError.self, from: $0) },
            priority: priority, metadata: try JSONText.decode([String: String].self, from: row[12]),
            simulation: try (row[21] as String?).map { try JSONText.decode(Simulation.self, from: $0) },
            cancelRequested: ["canceling", "canceled"].contains(row[6] as String),
            retryOf: (row[13] as String?).flatMap { JobID($0) },
            createdAt: Timestamp(millisecondsSince1970: row[14]), startedAt: Timestamp(column: row[15]),
            // The time that clients see. The column finished_at is on the steady clock, for the
            // pruner.
            finishedAt: state.isFinal ? Timestamp(column: row[16]) : nil,
            lastEvent: EventID(epoch: epoch, sequence: EventSequence(rawValue: row[17])))
    }

    private func stages(of key: Int64, _ pipeline: Pipeline, _ db: Database) throws -> [Job.Stage] {
        var stages = pipeline.stages.map {
            Job.Stage(
                name: $0.name, queue: $0.queue, state: .pending, progress: .none, attempt: 0, startedAt: nil,
                finishedAt: nil)
        }
        let statement = try db.cachedStatement(
            sql: "SELECT number, state, checkpoint, attempt, started_at, finished_at FROM stage WHERE job = ?")
        for row in try Row.fetchAll(statement, arguments: [key]) {
            let number: Int = row[0]
            guard stages.indices.contains(number), let state = StageState(rawValue: row[1]) else {
                throw UnreadableRow("stage \(number) of job \(key)")
            }
            stages[number].state = state
            stages[number].progress = Progress(row[2])
            stages[number].attempt = row[3]
            stages[number].startedAt = Timestamp(column: row[4])
            stages[number].finishedAt = Timestamp(column: row[5])
        }
        return stages
    }

    /// Counts along the index of claims, up to a limit.
    private func queuePosition(_ row: Row, _ job: Job, _ db: Database) throws -> Int? {
        let (key, index): (Int64, Int) = (row[0], row[7])
        guard job.stages.indices.contains(index), job.stages[index].state == .queued else { return nil }
        let waits = try Bool.fetchOne(
            try db.cachedStatement(sql: "SELECT due_at IS NULL FROM stage WHERE job = ? AND number = ?"),
            arguments: [key, index])
        guard waits == true else { return nil }
        let queue = job.stages[index].queue.description
        let ahead = try Int.fetchOne(
            try db.cachedStatement(
                sql: """
                    SELECT count(*) FROM (
                        SELECT 1 FROM stage WHERE queue = ? AND tenant = ? AND state = 'queued' AND due_at IS NULL
                            AND (-priority < ? OR (priority = ? AND job < ?))
                        ORDER BY priority DESC, job LIMIT ?)
                    """),
            arguments: [
                queue, job.tenant.description, -job.priority.rawValue, job.priority.rawValue, key,
                Limits.queuePositionsCounted,
            ])
        let others = try Int.fetchAll(
            try db.cachedStatement(
                sql: "SELECT waiting FROM share WHERE queue = ? AND waiting > 0 AND tenant <> ? LIMIT ?"),
            arguments: [queue, job.tenant.description, Limits.queuePositionsCounted])
        return QueuePosition.estimate(ahead: ahead ?? 0, others: others)
    }
}

/// The recently read pipelines, by their stored text.
///
/// Most jobs have one of a few texts. Decoding one takes longer than reading all rows of its job,
/// so clients that list jobs would slow down the writer.
final class DecodedPipelines: Sendable {
    private struct State {
        var known: [String: Pipeline] = [:]
        var bytes = 0
    }

    private let state = Mutex(State())
    /// If the texts have more bytes, the cache starts empty again. A text has 200 bytes to 20 KB,
    /// and its pipeline has several times as many.
    private let mostBytes: Int

    init(mostBytes: Int = 256 * 1024) { self.mostBytes = mostBytes }

    /// The bytes of the cached texts.
    var bytes: Int { state.withLock { $0.bytes } }

    func pipeline(_ text: String) throws -> Pipeline {
        if let known = state.withLock({ $0.known[text] }) { return known }
        let pipeline = try JSONText.decode(Pipeline.self, from: text)
        let size = text.utf8.count
        state.withLock { state in
            if state.bytes + size > mostBytes { state = State() }
            // Another reader may have decoded it meanwhile.
            if size <= mostBytes, state.known.updateValue(pipeline, forKey: text) == nil { state.bytes += size }
        }
        return pipeline
    }
}

/// Reads the state of the queues, within the caller's transaction. The cost depends on the tenants
/// that wait and the stages that run, not on the length of a queue.
struct QueueReader {
    static let waitingQuery = """
        SELECT queue, sum(waiting) FROM share INDEXED BY share_waiting
        WHERE waiting > 0 AND (?1 IS NULL OR tenant = ?1) GROUP BY queue
        """
    static let runningQuery = """
        SELECT queue, count(*) FROM stage INDEXED BY stage_running
        WHERE state = 'running' AND (?1 IS NULL OR tenant = ?1) GROUP BY queue
        """

    func queues(of tenant: TenantName?, _ db: Database) throws -> [QueueStatus] {
        var queues: [QueueName: QueueStatus] = [:]
        func change(_ name: String, _ body: (inout QueueStatus) -> Void) {
            let name = QueueName(unchecked: name)
            body(&queues[name, default: QueueStatus(name: name)])
        }
        func count(_ sql: String, _ place: WritableKeyPath<QueueStatus, Int>) throws {
            let rows = try Row.fetchCursor(try db.cachedStatement(sql: sql), arguments: [tenant?.description])
            while let row = try rows.next() { change(row[0]) { $0[keyPath: place] = row[1] } }
        }
        try count(Self.waitingQuery, \.waiting)
        try count(Self.runningQuery, \.running)
        let paused = try String.fetchAll(try db.cachedStatement(sql: JobLedger.pausedQuery))
        for name in paused { change(name) { $0.isPaused = true } }
        return queues.values.sorted { $0.name < $1.name }
    }
}
