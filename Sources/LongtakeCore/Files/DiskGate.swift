import Synchronization

/// Stops the claims of stages that write files while the disk is below its floor
/// (`storage.min_free_gigabytes`).
///
/// It concerns queues on which a pipeline has command stages, with everything that waits there. A
/// job whose pipeline was changed since its submission may have a command stage on another queue.
/// Such a stage starts, and if the disk is full it returns to its queue.
public final class DiskGate: Sendable {
    private let queues: Set<QueueName>
    private let readIsBelowFloor: @Sendable () throws -> Bool
    private let whenChanged: @Sendable (_ isBelowFloor: Bool) -> Void
    private let wasBelowFloor = Mutex(false)

    /// A gate that never closes.
    public static let alwaysOpen = DiskGate(queues: [], isBelowFloor: { false })

    /// - Parameters:
    ///   - queues: the queues with command stages.
    ///   - isBelowFloor: reads the free space (``SpaceGate/isBelowFloor()``). It is called for each
    ///     decision. If it throws, the gate is closed, because a stage could not store anything.
    ///   - whenChanged: called when the gate notices that it has closed or opened. Any thread may
    ///     call it.
    public init(
        queues: Set<QueueName>, isBelowFloor: @escaping @Sendable () throws -> Bool,
        whenChanged: @escaping @Sendable (_ isBelowFloor: Bool) -> Void = { _ in }
    ) {
        self.queues = queues
        readIsBelowFloor = isBelowFloor
        self.whenChanged = whenChanged
    }

    /// Whether the disk is below its floor now. Then uploads are rejected too.
    public var isBelowFloor: Bool {
        let isBelow = (try? readIsBelowFloor()) ?? true
        let hasChanged = wasBelowFloor.withLock { was in
            defer { was = isBelow }
            return was != isBelow
        }
        if hasChanged { whenChanged(isBelow) }
        return isBelow
    }

    /// Whether stages of the queue may be claimed.
    public func mayClaim(_ queue: QueueName) -> Bool { !queues.contains(queue) || !isBelowFloor }

    /// Why no worker takes the stage that waits; `nil` if nothing prevents it, or if none waits.
    public func reason(for job: Job) -> WaitingReason? {
        guard !job.state.isFinal, let waiting = job.stages.first(where: { $0.state != .succeeded }),
            waiting.state == .queued || waiting.state == .pending, !mayClaim(waiting.queue)
        else { return nil }
        return .disk
    }
}

/// What a stage waits for, other than a free worker.
public enum WaitingReason: String, Hashable, Sendable, Codable {
    /// The disk has less free space than `storage.min_free_gigabytes`.
    case disk
}
