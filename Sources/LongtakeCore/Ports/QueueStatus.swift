/// The state of a queue, from one read.
public struct QueueStatus: Hashable, Sendable {
    public let name: QueueName
    /// The number of claimed stages.
    public var running: Int
    /// The number of stages that can be claimed now. Stages that wait for a retry are not included.
    public var waiting: Int
    /// Whether no stage can be claimed. Claimed stages continue.
    public var isPaused: Bool

    public init(name: QueueName, running: Int = 0, waiting: Int = 0, isPaused: Bool = false) {
        self.name = name
        self.running = running
        self.waiting = waiting
        self.isPaused = isPaused
    }
}
