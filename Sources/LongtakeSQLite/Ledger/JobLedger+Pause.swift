import GRDB
import LongtakeCore

/// A pause stands between a queue and its claims, which are judged by the same writer: none is granted behind it.
extension JobLedger {
    func pause(_ queue: QueueName, _ db: Database) throws {
        paused.insert(queue)
        try db.cachedStatement(
            sql:
                "INSERT INTO queue (name, virtual, paused) VALUES (?, 0, 1) ON CONFLICT (name) DO UPDATE SET paused = 1"
        ).execute(arguments: [queue.description])
    }

    func resume(_ queue: QueueName, _ db: Database) throws {
        paused.remove(queue)
        try db.cachedStatement(sql: "UPDATE queue SET paused = 0 WHERE name = ?")
            .execute(arguments: [queue.description])
        wake(queue)
    }

    static let pausedQuery = "SELECT name FROM queue WHERE paused = 1"
}
