import LongtakeCore

/// The queues of which nothing is handed out, as the writer has decided last.
struct PausedQueues {
    private var names: Set<QueueName>
    /// What the database holds.
    private var committed: Set<QueueName>

    /// - Parameter names: those that the database holds already.
    init(_ names: Set<QueueName>) { (self.names, committed) = (names, names) }

    func contains(_ queue: QueueName) -> Bool { names.contains(queue) }

    mutating func insert(_ queue: QueueName) { names.insert(queue) }

    mutating func remove(_ queue: QueueName) { names.remove(queue) }

    /// The transaction was committed.
    mutating func keep() { committed = names }

    /// The transaction was rolled back.
    mutating func undo() { names = committed }
}
