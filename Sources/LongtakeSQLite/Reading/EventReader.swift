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
        var job: (key: Int64, isFinal: Bool, head: Int64, pipeline: String)?
        try db.forEachRow(Self.headQuery, id.description, tenant.description) { row in
            job = (row.int64(0), row.bool(1), row.int64(2), row.text(3))
            return false
        }
        guard let job else { return nil }
        let pipeline = PipelineName(unchecked: job.pipeline)
        var (events, bytes) = ([CommittedEvent](), 0)
        try db.forEachRow(Self.query, job.key, after.rawValue, max(1, limit)) { row in
            // Of a damaged database a reader gets an error, and never a log with a hole.
            guard row.int64(1) == after.rawValue + Int64(events.count) + 1 else {
                throw UnreadableRow(
                    "event \(row.int64(1)) of \(id) behind event \(after.rawValue + Int64(events.count))")
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
