import Synchronization

/// Counts commands. Any thread may use it.
public final class CommandCounts: Sendable {
    private let commands = Atomic(0)
    private let lost = Atomic(0)

    /// Commands that run, until their result is known.
    public var running: Int { commands.load(ordering: .relaxed) }

    /// Supervisors that died before their command since the start.
    public var supervisorsLost: Int { lost.load(ordering: .relaxed) }

    func begin() { commands.add(1, ordering: .relaxed) }

    func end() { commands.subtract(1, ordering: .relaxed) }

    func loseSupervisor() { lost.add(1, ordering: .relaxed) }
}
