import GRDB
import LongtakeCore

/// The queues as they stand, read within a transaction that the caller has opened. It costs the tenants that wait and the stages that run, and
/// nothing for the length of a queue.
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
