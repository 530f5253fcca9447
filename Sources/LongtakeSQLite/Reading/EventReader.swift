import GRDB
import LongtakeCore

/// Pages of one job's log, read within a transaction that the caller has opened.
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
        guard
            let job = try Row.fetchOne(
                try db.cachedStatement(sql: Self.headQuery), arguments: [id.description, tenant.description])
        else { return nil }
        let rows = try Row.fetchCursor(
            try db.cachedStatement(sql: Self.query), arguments: [job[0] as Int64, after.rawValue, max(1, limit)])
        var (events, bytes) = ([CommittedEvent](), 0)
        while let row = try rows.next() {
            guard let type = EventType(rawValue: row[2]) else {
                throw UnreadableRow("event.type “\(row[2] as String)”")
            }
            let event = CommittedEvent(
                id: EventID(epoch: epoch, sequence: EventSequence(rawValue: row[1])),
                position: EventPosition(rawValue: row[0]), job: id, tenant: tenant,
                pipeline: PipelineName(unchecked: job[3]), type: type,
                at: Timestamp(millisecondsSince1970: row[3]), payload: row[4])
            bytes += event.json.utf8.count
            if bytes > Limits.bytesPerPage, !events.isEmpty { break }
            events.append(event)
        }
        return EventPage(events: events, head: EventSequence(rawValue: job[2]), isFinal: job[1])
    }
}
