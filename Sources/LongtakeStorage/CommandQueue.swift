public import LongtakeCore

/// All commands that a group-commit writer has: those that wait, in ``CommandLanes``, and the batch
/// that it runs, which a ``WriterWatchdog`` watches. A value, which the store protects with a lock.
@usableFromInline package struct CommandQueue<Command: QueuedCommand> {
    @usableFromInline var lanes: CommandLanes<Command>
    @usableFromInline var watchdog = WriterWatchdog<Command>()
    @usableFromInline var isStallReported = false

    /// The error of a client whose command has certainly not happened, because the disk does not
    /// answer.
    @inlinable package static var stalled: JournalError { .cannotPersist("the disk does not answer") }

    package init(_ lanes: CommandLanes<Command> = CommandLanes()) { self.lanes = lanes }

    /// - Returns: what to do about the writer, and whether to call ``tick()`` from here on.
    /// - Throws: ``JournalError`` if the command is rejected.
    @inlinable package mutating func add(_ command: Command) throws(JournalError) -> (
        wake: WriterWake, startsTicking: Bool
    ) {
        var command = command
        command.arrivalTick = watchdog.ticks
        if watchdog.mustReject(command) { throw Self.stalled }
        return (try lanes.add(command, as: command.kind), watchdog.start())
    }

    /// Lets the writer wait for more reports if only reports wait.
    @inlinable package mutating func gather() -> Bool { lanes.gather() }

    /// The commands of the next transaction. The writer has them until ``finishBatch()``.
    @inlinable package mutating func take() -> [Command] {
        let batch = lanes.take()
        watchdog.take(batch)
        return batch
    }

    @inlinable package mutating func finishBatch() { watchdog.take([]) }

    @inlinable package mutating func beginDiskAccess() { watchdog.beginDiskAccess() }

    @inlinable package mutating func endDiskAccess() { watchdog.endDiskAccess() }

    /// Keeps a command that the disk rejected, until ``unpark()`` or ``unblock()``.
    package mutating func park(_ command: Command) { lanes.park(command) }

    package mutating func unpark() -> WriterWake { lanes.unpark() }

    /// From here on it accepts only commands that may use the reserve.
    package mutating func block(with error: JournalError) { lanes.blockError = error }

    /// The disk accepts writes again.
    package mutating func unblock() -> WriterWake {
        lanes.blockError = nil
        return lanes.unpark()
    }

    /// Rejects all later commands. Those that wait still run.
    package mutating func refuse(with error: JournalError) { lanes.refuse(with: error) }

    /// Rejects all later commands, and returns those that wait, which never run.
    package mutating func abandon(with error: JournalError) -> [Command] { lanes.abandon(with: error) }

    /// How many submissions may wait.
    package var submissionsWaiting: Int {
        get { lanes.submissionsWaiting }
        set { lanes.submissionsWaiting = newValue }
    }

    @inlinable package var isEmpty: Bool { lanes.isEmpty && watchdog.isIdle }

    /// Whether a command waits that the writer can run now. Parked commands cannot.
    @inlinable package var hasRunnable: Bool { lanes.hasRunnable }

    /// What a tick found.
    package struct Tick {
        /// Commands whose callers get this error now.
        package var failed: [(command: Command, error: JournalError)] = []
        /// Whether the disk has just stopped to answer, or answers again; `nil` if nothing has
        /// changed.
        package var stallChange: Bool?
        /// Whether to call ``CommandQueue/tick()`` again after ``StorageLimits/watchdogInterval``.
        package var goesOn = false
    }

    /// Checks if the disk answers, and which callers have waited too long.
    ///
    /// If no transaction has taken a command, it certainly has not happened. Otherwise the outcome
    /// is unknown, except that the outcome of a probe does not matter.
    package mutating func tick() -> Tick {
        watchdog.tick()
        var tick = Tick()
        let watchdog = watchdog
        tick.failed = lanes.withdraw { watchdog.mustReject($0) }.map { ($0, Self.stalled) }
        tick.failed += self.watchdog.takeUnanswered().map { ($0, $0.kind == .probe ? Self.stalled : .unanswered) }
        if watchdog.isStalled != isStallReported { tick.stallChange = watchdog.isStalled }
        isStallReported = watchdog.isStalled
        tick.goesOn = !isEmpty
        if !tick.goesOn { self.watchdog.stop() }
        return tick
    }
}
