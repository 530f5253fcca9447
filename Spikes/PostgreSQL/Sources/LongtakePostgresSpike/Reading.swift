import LongtakeCore

/// Reads on one connection. What has to be of one moment is one statement.
struct Reading {
    private let connection: Connection

    init(_ connection: Connection) { self.connection = connection }

    /// A row that this version cannot read.
    struct Unreadable: Error {}

    // MARK: Facts

    func facts(of submission: PreparedSubmission) throws -> SubmissionFacts {
        let new = submission.submission
        let rows = try connection.rows(
            """
            SELECT (SELECT fingerprint FROM idempotency WHERE tenant = $1 AND key = $2),
                (SELECT state FROM jobs WHERE id = $3 AND tenant = $1),
                (SELECT count(*) FROM jobs WHERE tenant = $1 AND state = 'queued')
            """, [new.tenant.description, new.idempotencyKey, new.retryOf?.description])
        guard let row = rows.first, let queued = row[2].flatMap({ Int($0) }) else { throw Unreadable() }
        var facts = SubmissionFacts(knownFingerprint: row[0], queuedJobs: queued)
        if new.retryOf != nil { facts.origin = row[1].flatMap(JobState.init).map { .found($0) } ?? .missing }
        return facts
    }

    func key(_ key: String, of tenant: TenantName) throws -> (fingerprint: String, job: JobID)? {
        let row = try connection.rows(
            "SELECT fingerprint, job FROM idempotency WHERE tenant = $1 AND key = $2", [tenant.description, key]
        ).first
        guard let row else { return nil }
        guard let fingerprint = row[0], let job = row[1].flatMap({ JobID($0) }) else { throw Unreadable() }
        return (fingerprint, job)
    }

    /// The row of the last change of state, brought forward by the last event.
    func facts(of job: JobID) throws -> JobFacts? { try work(job, where: "")?.facts }

    /// What a claim needs.
    struct Work {
        let facts: JobFacts
        let input: JSONValue
        let checkpoint: JSONValue?
        let outputs: [StageName: JSONValue]
        let simulation: Simulation?
    }

    /// `nil` if the stage is not reserved for that node any more.
    func reserved(_ job: JobID, by node: HolderID) throws -> Work? {
        try work(job, where: "AND j.reserved_by = \(node.rawValue)")
    }

    private func work(_ job: JobID, where condition: String) throws -> Work? {
        let row = try connection.rows(
            """
            SELECT j.tenant, j.priority, j.definition, j.phase, j.stage_index, j.attempt, j.stage_progress, j.started_at,
                j.started_steady, j.stage_started_at, j.stage_started_steady, j.fence, j.holder, j.due_at, e.seq, e.type, e.at,
                e.payload::json ->> 'progress', e.payload::json ->> 'stage_progress', j.input, j.checkpoint, j.simulation,
                (SELECT json_object_agg(number, s.output::json) FROM stages s
                    WHERE s.job = j.key AND s.output IS NOT NULL AND s.number < j.stage_index)
            FROM jobs j CROSS JOIN LATERAL (SELECT * FROM events WHERE job = j.key ORDER BY seq DESC LIMIT 1) e
            WHERE j.id = $1 \(condition)
            """, [job.description]
        ).first.map(Row.init)
        guard let row else { return nil }
        let pipeline = try JSON.value(Pipeline.self, try row.text(2))
        guard let phase = JobLife.Phase(column: try row.text(3)), let priority = Priority(Int(try row.number(1)))
        else { throw Unreadable() }
        let tells = [EventType.stageProgress.rawValue, EventType.jobResumed.rawValue].contains(try row.text(15))
        let life = JobLife(
            phase: phase, stageIndex: Int(try row.number(4)), attempt: Int(try row.number(5)),
            stageProgress: Progress(tells ? row.real(18) ?? 0 : row.real(6) ?? 0),
            progress: Progress(row.real(17) ?? 0),
            stageStartedAt: row.reading(9), startedAt: row.reading(7))
        let facts = JobFacts(
            id: job, tenant: TenantName(unchecked: try row.text(0)), priority: priority, pipeline: pipeline, life: life,
            head: EventSequence(rawValue: try row.number(14)),
            lastAt: Timestamp(millisecondsSince1970: try row.number(16)), fence: Fence(rawValue: try row.number(11)),
            holder: row.whole(12).map(HolderID.init), dueAt: row.time(13))
        let outputs = try row.json([String: JSONValue].self, 22) ?? [:]
        let named = outputs.map { (pipeline.stages[Int($0.key) ?? 0].name, $0.value) }
        return Work(
            facts: facts, input: try row.json(JSONValue.self, 19) ?? .null,
            checkpoint: try row.json(JSONValue.self, 20), outputs: Dictionary(uniqueKeysWithValues: named),
            simulation: try row.json(Simulation.self, 21))
    }

    func nextDue(on queue: QueueName) throws -> Timestamp? {
        let rows = try connection.rows(
            "SELECT min(due_at) FROM jobs WHERE stage_queue = $1 AND stage_state = 'queued' AND reserved_by IS NULL",
            [queue.description])
        return rows.first.map(Row.init)?.time(0)
    }

    // MARK: Jobs

    func job(_ job: JobID, of tenant: TenantName) throws -> Job? {
        try views("j.id = $1 AND j.tenant = $2", [job.description, tenant.description]).first?.job
    }

    func jobs(_ query: JobQuery) throws -> JobPage {
        let found = try views(
            "j.tenant = $1 AND ($2::bigint IS NULL OR j.key < $2::bigint) AND ($3::text IS NULL OR j.state = $3)",
            [query.tenant.description, query.after.map { String($0.rawValue) }, query.state?.rawValue],
            limit: query.limit + 1)
        let shown = found.prefix(query.limit)
        let head = try connection.rows("SELECT epoch, (SELECT coalesce(max(position), 0) FROM events) FROM meta")
        guard let row = head.first.map(Row.init) else { throw Unreadable() }
        return JobPage(
            epoch: Epoch(rawValue: UInt32(try row.number(0))), jobs: shown.map(\.job),
            next: found.count > shown.count ? shown.last.map { JobListCursor(rawValue: $0.key) } : nil,
            position: EventPosition(rawValue: try row.number(1)))
    }

    private func views(_ condition: String, _ arguments: [String?], limit: Int = 1) throws -> [(key: Int64, job: Job)] {
        try connection.rows(
            """
            SELECT j.key, j.id, j.tenant, j.definition, j.state, j.phase, j.stage_index, j.priority, j.input, j.output, j.error,
                j.metadata, j.simulation, j.retry_of, j.created_at, j.started_at, e.seq, e.type, e.at,
                e.payload::json ->> 'progress', e.payload::json ->> 'stage_progress', (SELECT epoch FROM meta),
                (SELECT json_agg(json_build_array(s.state, s.progress, s.attempt, s.started_at, s.finished_at) ORDER BY number)
                    FROM stages s WHERE s.job = j.key)
            FROM jobs j CROSS JOIN LATERAL (SELECT * FROM events WHERE job = j.key ORDER BY seq DESC LIMIT 1) e
            WHERE \(condition) ORDER BY j.key DESC LIMIT \(limit)
            """, arguments
        ).map(Row.init).map { (try $0.number(0), try view($0)) }
    }

    private func view(_ row: Row) throws -> Job {
        let pipeline = try JSON.value(Pipeline.self, try row.text(3))
        guard let id = JobID(try row.text(1)), let state = JobState(rawValue: try row.text(4)),
            let priority = Priority(Int(try row.number(7)))
        else { throw Unreadable() }
        let index = Int(try row.number(6))
        var stages = pipeline.stages.map {
            Job.Stage(
                name: $0.name, queue: $0.queue, state: .pending, progress: .none, attempt: 0, startedAt: nil,
                finishedAt: nil)
        }
        for (number, stored) in (try row.json([[JSONValue]].self, 22) ?? []).enumerated() {
            stages[number].state = stored[0].text.flatMap(StageState.init) ?? .pending
            stages[number].progress = Progress(stored[1].double ?? 0)
            stages[number].attempt = Int(stored[2].double ?? 0)
            stages[number].startedAt = Self.time(stored[3])
            stages[number].finishedAt = Self.time(stored[4])
        }
        let type = try row.text(17)
        if type == EventType.stageProgress.rawValue || type == EventType.jobResumed.rawValue {
            stages[index].progress = Progress(row.real(20) ?? 0)
        }
        return Job(
            id: id, tenant: TenantName(unchecked: try row.text(2)), pipeline: pipeline.name, state: state,
            progress: Progress(row.real(19) ?? 0), stage: state == .running ? pipeline.stages[index].name : nil,
            stages: stages, queuePosition: nil, input: try row.json(JSONValue.self, 8) ?? .null,
            output: try row.json(JSONValue.self, 9), error: try row.json(JobError.self, 10), priority: priority,
            metadata: try row.json([String: String].self, 11) ?? [:], simulation: try row.json(Simulation.self, 12),
            cancelRequested: ["canceling", "canceled"].contains(try row.text(5)),
            retryOf: row.maybe(13).flatMap { JobID($0) },
            createdAt: Timestamp(millisecondsSince1970: try row.number(14)), startedAt: row.time(15),
            finishedAt: state.isFinal ? row.time(18) : nil,
            lastEvent: EventID(
                epoch: Epoch(rawValue: UInt32(try row.number(21))),
                sequence: EventSequence(rawValue: try row.number(16))))
    }

    private static func time(_ value: JSONValue) -> Timestamp? {
        guard case .integer(let milliseconds) = value else { return nil }
        return Timestamp(millisecondsSince1970: milliseconds)
    }

    // MARK: Events

    func events(of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int) throws -> EventPage? {
        // One statement, so that the head, the epoch and the events are of one moment.
        let rows = try connection.rows(
            """
            SELECT (SELECT epoch FROM meta), j.id, j.tenant, j.definition, e.position, e.seq, e.type, e.at, e.payload,
                (SELECT max(seq) FROM events WHERE job = j.key),
                (SELECT type FROM events WHERE job = j.key ORDER BY seq DESC LIMIT 1)
            FROM jobs j LEFT JOIN LATERAL (SELECT * FROM events WHERE job = j.key AND seq > $3 ORDER BY seq LIMIT $4) e ON true
            WHERE j.id = $1 AND j.tenant = $2 ORDER BY e.seq
            """, [job.description, tenant.description, after.description, String(limit)]
        ).map(Row.init)
        guard let first = rows.first else { return nil }
        let last = EventType(rawValue: try first.text(10))
        return EventPage(
            epoch: Epoch(rawValue: UInt32(try first.number(0))), events: try rows.compactMap { try event($0) },
            head: EventSequence(rawValue: try first.number(9)), isFinal: last?.isFinal ?? false)
    }

    func events(_ query: FeedQuery) throws -> FeedPage {
        let rows = try connection.rows(
            """
            SELECT (SELECT epoch FROM meta), e.id, e.tenant, e.definition, e.position, e.seq, e.type, e.at, e.payload, head.head
            FROM (SELECT coalesce(max(position), 0) AS head FROM events) head LEFT JOIN LATERAL (
                SELECT * FROM events JOIN jobs ON jobs.key = events.job WHERE jobs.tenant = $1 AND position > $2
                ORDER BY position LIMIT $3) e ON true ORDER BY e.position
            """, [query.tenant.description, String(query.after.rawValue), String(query.limit)]
        ).map(Row.init)
        guard let first = rows.first else { throw Unreadable() }
        let head = EventPosition(rawValue: try first.number(9))
        let events = try rows.compactMap { try event($0) }
        return FeedPage(
            epoch: Epoch(rawValue: UInt32(try first.number(0))),
            events: events.filter { query.filter.accepts(job: $0.job, pipeline: $0.pipeline, type: $0.type) },
            reached: events.count == query.limit ? events.last?.position ?? head : head, head: head,
            prunedThrough: .beforeFirst)
    }

    /// `nil` if the page has no event.
    private func event(_ row: Row) throws -> CommittedEvent? {
        guard let position = row.whole(4) else { return nil }
        guard let job = JobID(try row.text(1)), let type = EventType(rawValue: try row.text(6)) else {
            throw Unreadable()
        }
        return CommittedEvent(
            id: EventID(
                epoch: Epoch(rawValue: UInt32(try row.number(0))), sequence: EventSequence(rawValue: try row.number(5))),
            position: EventPosition(rawValue: position), job: job, tenant: TenantName(unchecked: try row.text(2)),
            pipeline: try JSON.value(Pipeline.self, try row.text(3)).name, type: type,
            at: Timestamp(millisecondsSince1970: try row.number(7)), payload: try row.text(8))
    }
}

/// The columns of a row, which PostgreSQL sends as text.
private struct Row {
    private let columns: [String?]

    init(_ columns: [String?]) { self.columns = columns }

    func maybe(_ column: Int) -> String? { columns[column] }
    func whole(_ column: Int) -> Int64? { columns[column].flatMap { Int64($0) } }
    func real(_ column: Int) -> Double? { columns[column].flatMap { Double($0) } }
    func time(_ column: Int) -> Timestamp? { whole(column).map(Timestamp.init(millisecondsSince1970:)) }

    func text(_ column: Int) throws -> String {
        guard let text = columns[column] else { throw Reading.Unreadable() }
        return text
    }

    func number(_ column: Int) throws -> Int64 {
        guard let number = whole(column) else { throw Reading.Unreadable() }
        return number
    }

    func json<Value: Decodable>(_ type: Value.Type, _ column: Int) throws -> Value? {
        try columns[column].map { try JSON.value(type, $0) }
    }

    /// Two columns: the wall clock, and the steady clock behind it.
    func reading(_ column: Int) -> ClockReading? {
        time(column).map { ClockReading($0, steady: time(column + 1)) }
    }
}
