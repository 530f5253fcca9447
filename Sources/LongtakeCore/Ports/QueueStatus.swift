/// A queue as it stands, from one read.
public struct QueueStatus: Hashable, Sendable {
    public let name: QueueName
    /// Stages that workers have.
    public var running: Int
    /// Stages that a free worker would get. One that waits for the time of its next attempt is not among them.
    public var waiting: Int
    /// Nothing is handed out; what runs goes on.
    public var isPaused: Bool

    public init(name: QueueName, running: Int = 0, waiting: Int = 0, isPaused: Bool = false) {
        self.name = name
        self.running = running
        self.waiting = waiting
        self.isPaused = isPaused
    }
}
