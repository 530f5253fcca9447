import GRDB
import LongtakeCore

/// Pages of the events of all jobs, read within a transaction that the caller has opened.
///
/// Named jobs are found by the index of their logs and rare types by an index of their own; for everything else a bounded number of
/// events is looked at in order, and the page says how far that was. So no read is long, whatever the filter.
struct FeedReader {
    let epoch: Epoch

    private static let columns = """
        event.position, event.seq, event.type, event.at, event.payload, job.id, job.tenant, job.pipeline
        FROM event CROSS JOIN job ON job.key = event.job
        """
    /// Along the log of one job, from a number on.
    static let jobQuery = """
        SELECT event.position, event.seq, event.type, event.at, event.payload, job.id, job.tenant, job.pipeline
        FROM job CROSS JOIN event ON event.job = job.key
        WHERE job.key = ? AND event.seq >= ? ORDER BY event.seq LIMIT ?
        """
    static let rangeQuery = """
        SELECT key, (SELECT min(seq) FROM event WHERE job = key), (SELECT max(seq) FROM event WHERE job = key)
        FROM job WHERE id = ?
        """
    /// The index of a log holds the positions too.
    static let positionQuery = "SELECT position FROM event WHERE job = ? AND seq = ?"
    static let typeQuery = """
        SELECT \(columns)
        WHERE event.type = ? AND event.type <> 'stage.progress' AND event.position > ? ORDER BY event.position LIMIT ?
        """
    static let orderQuery = "SELECT \(columns) WHERE event.position > ? ORDER BY event.position LIMIT ?"

    /// The newest position. Not `max(position)`: the newest event may have been removed, and a position is never given out again.
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

    /// Looks at every event in commit order, a bounded number of them.
    private func lookThrough(_ query: FeedQuery, _ page: inout FeedPage, _ db: Database) throws {
        let cursor = try Row.fetchCursor(
            try db.cachedStatement(sql: Self.orderQuery),
            arguments: [query.after.rawValue, Limits.feedEventsExamined])
        var (count, bytes) = (0, 0)
        while let row = try cursor.next() {
            count += 1
            guard try add(row, query, &page, &bytes) else { return }
        }
        if count < Limits.feedEventsExamined { page.reached = page.head }
    }

    /// Merges what several seeks find. Behind the end of one that was cut short nothing is known, so the page ends there.
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

    /// - Returns: whether the page takes more.
    private func add(_ row: Row, _ query: FeedQuery, _ page: inout FeedPage, _ bytes: inout Int) throws -> Bool {
        // Of other tenants nothing is made but the place behind them: a reader passes thousands of their events in one read.
        if (row[6] as String) == query.tenant.description {
            // What cannot be named cannot be told, and must not hold up what follows it.
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

    /// `nil` if its type or the id of its job cannot be read.
    private func event(_ row: Row) -> CommittedEvent? {
        guard let type = EventType(rawValue: row[2]), let job = JobID(row[5] as String) else { return nil }
        return CommittedEvent(
            id: EventID(epoch: epoch, sequence: EventSequence(rawValue: row[1])),
            position: EventPosition(rawValue: row[0]), job: job, tenant: TenantName(unchecked: row[6]),
            pipeline: PipelineName(unchecked: row[7]), type: type, at: Timestamp(millisecondsSince1970: row[3]),
            payload: row[4])
    }

    /// A query by an index, and where in it to begin.
    private struct Seek {
        let sql: String
        let place: StatementArguments
    }

    /// Where the events of a job begin that lie behind a position; `nil` where there are none.
    ///
    /// Numbers and positions of one log grow together, so it is found by halving: some dozen looks into the index of a log of thousands.
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
