/// A command that waits for a group-commit writer.
@usableFromInline package protocol QueuedCommand {
    var kind: CommandKind { get }
    /// Whether it comes from a client's request, which has a deadline. The engine's own commands
    /// wait as long as it takes.
    var isRequested: Bool { get }
    /// The tick of the ``WriterWatchdog`` at which it arrived.
    var arrivalTick: Int { get set }
}

/// Detects that the disk does not answer the writer, and which callers have waited too long, as a
/// value.
///
/// It counts ticks and reads no clock. So a pause of the whole process is one tick, and does not
/// count against the disk.
@usableFromInline package struct WriterWatchdog<Command: QueuedCommand> {
    /// Since the process started. It ticks only while a command waits.
    @usableFromInline var ticks = 0
    @usableFromInline var isTicking = false
    /// The tick at which the present disk access began.
    @usableFromInline var began: Int?
    /// The writer's last batch. Some of it may be durable already.
    @usableFromInline var batch: [Command] = []

    /// If one disk access takes more ticks, the disk does not answer.
    @inlinable package static var stallTicks: Int { Int(StorageLimits.stallTimeout / StorageLimits.watchdogInterval) }
    /// After so many ticks a client gets a response, whatever became of its command.
    @inlinable package static var responseTicks: Int {
        Int(StorageLimits.responseTimeout / StorageLimits.watchdogInterval)
    }

    package init() {}

    /// Whether the disk has not answered for so long that no client should wait for it.
    @inlinable package var isStalled: Bool { began.map { ticks - $0 > Self.stallTicks } ?? false }
    @inlinable package var isIdle: Bool { began == nil && batch.isEmpty }

    /// - Returns: whether the caller must start the timer.
    @inlinable package mutating func start() -> Bool {
        defer { isTicking = true }
        return !isTicking
    }

    @inlinable package mutating func stop() { isTicking = false }

    @inlinable package mutating func tick() { ticks += 1 }

    /// The writer accesses the disk from here on, and may not return.
    @inlinable package mutating func beginDiskAccess() { began = ticks }

    @inlinable package mutating func endDiskAccess() { began = nil }

    /// The writer has taken a batch, or has ended the last one if this is empty.
    @inlinable package mutating func take(_ commands: [Command]) { batch = commands }

    /// Whether a command must be rejected that no transaction has taken yet.
    @inlinable package func mustReject(_ command: Command) -> Bool {
        command.isRequested && (isStalled || isLate(command))
    }

    /// The commands of the present batch whose clients must get a response now. Each is returned
    /// once.
    package mutating func takeUnanswered() -> [Command] {
        let all = batch
        batch = all.filter { !isUnanswered($0) }
        return all.filter(isUnanswered)
    }

    private func isUnanswered(_ command: Command) -> Bool {
        command.isRequested && (isLate(command) || isStalled && command.kind == .probe)
    }

    @inlinable func isLate(_ command: Command) -> Bool { ticks - command.arrivalTick >= Self.responseTicks }
}
