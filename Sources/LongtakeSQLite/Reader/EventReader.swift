import GRDB
import LongtakeCore

/// Reads pages of one job's event log, within the caller's transaction.
struct EventReader {
    let epoch: Epoch

    static let query =
        "SELECT position, seq, type, at, payload FROM event WHERE job = ? AND seq > ? ORDER BY seq LIMIT ?"
    static let headQuery = """
        SELECT job.key, job.finished_at IS NOT NULL, (SELECT max(seq) FROM event WHERE job = job.key), job.pipeline
        FROM job WHERE job.id = ? AND job.tenant = ?
        """

    func page(
        of id: JobID, tenant: TenantName, after: EventSequence, limit: Int, _ db: Database
    ) throws -> EventPage? {
        var job: (key: Int64, isFinal: Bool, head: Int64, pipeline: String)?
        try db.forEachRow(Self.headQuery, id.description, tenant.description) { row in
            job = (row.int64(0), row.bool(1), row.int64(2), row.text(3))
            return false
        }
        guard let job else { return nil }
        let pipeline = PipelineName(unchecked: job.pipeline)
        var (events, bytes) = ([CommittedEvent](), 0)
        try db.forEachRow(Self.query, job.key, after.rawValue, max(1, limit)) { row in
            // If the database is damaged, the reader gets an error and never an event log with a
            // gap.
            guard row.int64(1) == after.rawValue + Int64(events.count) + 1 else {
                throw UnreadableRow(
                    "event \(row.int64(1)) of \(id) after event \(after.rawValue + Int64(events.count))")
            }
            guard let type = EventType(rawValue: row.text(2)) else {
                throw UnreadableRow("event.type “\(row.text(2))”")
            }
            let event = CommittedEvent(
                id: EventID(epoch: epoch, sequence: EventSequence(rawValue: row.int64(1))),
                position: EventPosition(rawValue: row.int64(0)), job: id, tenant: tenant, pipeline: pipeline,
                type: type, at: Timestamp(millisecondsSince1970: row.int64(3)), payload: try row.checkedText(4))
            bytes += event.jsonByteCount
            if bytes > Limits.bytesPerPage, !events.isEmpty { return false }
            events.append(event)
            return true
        }
        return EventPage(epoch: epoch, events: events, head: EventSequence(rawValue: job.head), isFinal: job.isFinal)
    }
}

/// Reads pages of the events of all jobs, within the caller's transaction.
///
/// Named jobs are found by the index of their event logs, and rare types by an index of their own.
/// For every other filter, a limited number of events is examined in order, and the page says how
/// far. So no read is long.
struct FeedReader {
    let epoch: Epoch

    private static let columns = """
        event.position, event.seq, event.type, event.at, event.payload, job.id, job.tenant, job.pipeline
        FROM event CROSS JOIN job ON job.key = event.job
        """
    /// Along the event log of one job, from a sequence number on.
    static let jobQuery = """
        SELECT event.position, event.seq, event.type, event.at, event.payload, job.id, job.tenant, job.pipeline
        FROM job CROSS JOIN event ON event.job = job.key
        WHERE job.key = ? AND event.seq >= ? ORDER BY event.seq LIMIT ?
        """
    static let rangeQuery = """
        SELECT key, (SELECT min(seq) FROM event WHERE job = key), (SELECT max(seq) FROM event WHERE job = key)
        FROM job WHERE id = ?
        """
    /// This index also contains the positions.
    static let positionQuery = "SELECT position FROM event WHERE job = ? AND seq = ?"
    static let typeQuery = """
        SELECT \(columns)
        WHERE event.type = ? AND event.type <> 'stage.progress' AND event.position > ? ORDER BY event.position LIMIT ?
        """
    static let orderQuery = "SELECT \(columns) WHERE event.position > ? ORDER BY event.position LIMIT ?"

    /// The newest position. Not `max(position)`: the newest event may have been removed, and its
    /// position is never used again.
    static func head(_ db: Database) throws -> Int64 {
        try Int64.fetchOne(try db.cachedStatement(sql: "SELECT seq FROM sqlite_sequence WHERE name = 'event'")) ?? 0
    }

    func page(_ query: FeedQuery, _ db: Database) throws -> FeedPage {
        let head = EventPosition(rawValue: try Self.head(db))
        var page = FeedPage(
            epoch: epoch, events: [], reached: min(query.after, head), head: head,
            prunedThrough: EventPosition(rawValue: try PruneRecord.prunedThrough(of: query.tenant, db)))
        guard query.after < page.head else { return page }
        if !query.filter.jobs.isEmpty {
            let seeks = try query.filter.jobs.compactMap { try seek($0, behind: query.after, db) }
            try merge(seeks, query, &page, db)
        } else if !query.filter.types.isEmpty, !query.filter.types.contains(.stageProgress) {
            let seeks = query.filter.types.map {
                Seek(sql: Self.typeQuery, place: [$0.rawValue, query.after.rawValue])
            }
            try merge(seeks, query, &page, db)
        } else {
            try lookThrough(query, &page, db)
        }
        return page
    }

    /// Examines events in commit order, a limited number of them.
    private func lookThrough(_ query: FeedQuery, _ page: inout FeedPage, _ db: Database) throws {
        let cursor = try Row.fetchCursor(
            try db.cachedStatement(sql: Self.orderQuery),
            arguments: [query.after.rawValue, SQLiteLimits.feedEventsExamined])
        var (count, bytes) = (0, 0)
        while let row = try cursor.next() {
            count += 1
            guard try add(row, query, &page, &bytes) else { return }
        }
        if count < SQLiteLimits.feedEventsExamined { page.reached = page.head }
    }

    /// Merges the results of several seeks. If one seek was cut short, nothing after its last row
    /// is known, so the page ends there.
    private func merge(
        _ seeks: [Seek], _ query: FeedQuery, _ page: inout FeedPage, _ db: Database
    ) throws {
        let limit = max(1, query.limit)
        var (rows, known) = ([Row](), page.head.rawValue)
        for seek in seeks {
            let found = try Row.fetchAll(
                try db.cachedStatement(sql: seek.sql), arguments: seek.place + [limit])
            if found.count == limit, let last = found.last { known = min(known, last[0]) }
            rows += found
        }
        var bytes = 0
        for row in rows.sorted(by: { ($0[0] as Int64) < $1[0] }) where row[0] <= known {
            guard try add(row, query, &page, &bytes) else { return }
        }
        page.reached = EventPosition(rawValue: known)
    }

    /// - Returns: whether the page has room for more.
    private func add(_ row: Row, _ query: FeedQuery, _ page: inout FeedPage, _ bytes: inout Int) throws -> Bool {
        // Events of other tenants are not decoded: a reader may pass thousands of them in one read.
        if (row[6] as String) == query.tenant.description {
            // An event that cannot be decoded is skipped, so that it does not stop the events after
            // it.
            if let event = event(row),
                query.filter.accepts(job: event.job, pipeline: event.pipeline, type: event.type)
            {
                bytes += event.payload.utf8.count
                guard bytes <= Limits.bytesPerPage || page.events.isEmpty else { return false }
                page.events.append(event)
            }
        }
        page.reached = EventPosition(rawValue: row[0])
        return page.events.count < max(1, query.limit)
    }

    /// `nil` if its type or the id of its job cannot be decoded.
    private func event(_ row: Row) -> CommittedEvent? {
        guard let type = EventType(rawValue: row[2]), let job = JobID(row[5] as String) else { return nil }
        return CommittedEvent(
            id: EventID(epoch: epoch, sequence: EventSequence(rawValue: row[1])),
            position: EventPosition(rawValue: row[0]), job: job, tenant: TenantName(unchecked: row[6]),
            pipeline: PipelineName(unchecked: row[7]), type: type, at: Timestamp(millisecondsSince1970: row[3]),
            payload: row[4])
    }

    /// A query along an index, and the position at which it begins.
    private struct Seek {
        let sql: String
        let place: StatementArguments
    }

    /// Finds the first event of a job after a position; `nil` if there is none.
    ///
    /// Sequence numbers and positions of one event log grow together. So a binary search finds it,
    /// with about a dozen index lookups for thousands of events.
    private func seek(_ job: JobID, behind position: EventPosition, _ db: Database) throws -> Seek? {
        var range: (key: Int64, first: Int64, last: Int64)?
        try db.forEachRow(Self.rangeQuery, job.description) { row in
            range = (row.int64(0), row.int64(1), row.int64(2))
            return false
        }
        guard let range, try isBehind(range.last, of: range.key) else { return nil }
        var (low, high) = (range.first, range.last)
        while low < high {
            let middle = low + (high - low) / 2
            if try isBehind(middle, of: range.key) { high = middle } else { low = middle + 1 }
        }
        return Seek(sql: Self.jobQuery, place: [range.key, low])

        func isBehind(_ sequence: Int64, of job: Int64) throws -> Bool {
            var found: Int64 = 0
            try db.forEachRow(Self.positionQuery, job, sequence) { row in
                found = row.int64(0)
                return false
            }
            return found > position.rawValue
        }
    }
}
