public import LongtakeCore

/// How urgent a command is, and what the store may do with it when the disk is full.
@usableFromInline package enum CommandKind: Hashable, Sendable {
    /// Brings new work. The number of waiting submissions is limited.
    case submission
    /// Reports the progress of a stage. It may wait until more reports have arrived.
    case report
    /// A caller waits for the result.
    case normal
    /// Tests whether the disk accepts writes.
    case probe
    /// Ends work or stops it, so it must not be lost. The writer retries it while the disk is full.
    case critical
    /// Removes old data. No caller waits for it, so every other command goes first.
    case maintenance

    /// Whether it may use the space that is reserved for a full disk: commands that end work, and
    /// commands that free space.
    @inlinable package var mayUseReserve: Bool { self == .critical || self == .maintenance }
}

/// What the caller must do about the writer after it has added a command.
@usableFromInline package enum WriterWake: Hashable, Sendable {
    case nothing
    /// The writer sleeps: start it.
    case start
    /// The writer waits for more reports: end this wait.
    case hurry
}

/// The queues of a group-commit writer, as a value.
///
/// - Submissions have their own lane with a limit, because a longer queue would only time out.
/// - All other commands share a lane without a limit: they end work instead of bringing it.
/// - If the disk rejects a critical command, the writer parks it. It returns in front of its lane.
/// - Maintenance runs alone in its transaction: if nothing else waits, or after a number of other
///   transactions. So it makes progress under load.
///
/// The hot functions are inlinable: without that, a store in another module pays twice as much for
/// each command of a batch, and five times as much for a single one (measured).
///
/// Within a lane, commands run in the order in which they arrived. Only a parked command can run
/// later than one that arrived after it.
@usableFromInline package struct CommandLanes<Command> {
    @usableFromInline var submissions: [Command] = []
    @usableFromInline var others: [Command] = []
    @usableFromInline var parked: [Command] = []
    @usableFromInline var maintenance: [Command] = []
    /// Transactions that ran while the first maintenance command waited.
    @usableFromInline var commitsSinceMaintenance = 0
    /// Whether only reports and maintenance wait, so that the writer may wait for more of them.
    @usableFromInline var isPatient = true
    @usableFromInline var isGathering = false
    @usableFromInline var isRunning = false
    @usableFromInline var refusal: JournalError?
    /// While this is set, only commands that may use the reserve are accepted. All others get this
    /// error.
    @usableFromInline package var blockError: JournalError?
    /// How many submissions may wait.
    @usableFromInline package var submissionsWaiting: Int
    @usableFromInline let commandsPerCommit: Int
    @usableFromInline let commitsPerMaintenance: Int

    /// - Parameters:
    ///   - commandsPerCommit: the largest batch.
    ///   - submissionsWaiting: how many submissions may wait.
    ///   - commitsPerMaintenance: how many other transactions run before a maintenance command that
    ///     waits.
    package init(
        commandsPerCommit: Int = StorageLimits.commandsPerCommit,
        submissionsWaiting: Int = StorageLimits.submissionsWaiting,
        commitsPerMaintenance: Int = StorageLimits.commitsPerMaintenance
    ) {
        self.commandsPerCommit = commandsPerCommit
        self.submissionsWaiting = submissionsWaiting
        self.commitsPerMaintenance = commitsPerMaintenance
    }

    /// - Throws: ``JournalError`` if the command is rejected. Then it is in no lane.
    @inlinable package mutating func add(_ command: Command, as kind: CommandKind) throws(JournalError) -> WriterWake {
        if let refusal { throw refusal }
        if let blockError, !kind.mayUseReserve { throw blockError }
        switch kind {
        case .submission:
            guard submissions.count < submissionsWaiting else { throw .overloaded }
            submissions.append(command)
        case .report, .normal, .probe, .critical:
            others.append(command)
        case .maintenance:
            maintenance.append(command)
        }
        if kind != .report && kind != .maintenance { isPatient = false }
        return wake()
    }

    /// Lets the writer wait for more reports if only reports wait.
    /// - Returns: whether the writer waits. Then the result of a later ``add(_:as:)`` can end the
    ///   wait.
    @inlinable package mutating func gather() -> Bool {
        isGathering =
            isPatient && parked.isEmpty && !others.isEmpty && others.count < commandsPerCommit && refusal == nil
        return isGathering
    }

    /// The commands of the next transaction, in the order of each lane. If many submissions wait,
    /// half of the batch is for them. If the batch is empty, the writer goes to sleep.
    @inlinable package mutating func take() -> [Command] {
        isGathering = false
        if let command = takeMaintenance() { return [command] }
        let kept = min(submissions.count, commandsPerCommit / 2)
        let batch = Array(others.prefix(commandsPerCommit - kept))
        let news = submissions.prefix(commandsPerCommit - batch.count)
        others.removeFirst(batch.count)
        submissions.removeFirst(news.count)
        isPatient = others.isEmpty && submissions.isEmpty
        isRunning = !(batch.isEmpty && news.isEmpty)
        return batch + news
    }

    /// Keeps a command that the disk rejected, until ``unpark()``.
    @inlinable package mutating func park(_ command: Command) { parked.append(command) }

    /// Puts the parked commands back in front of their lane, in their order.
    @inlinable package mutating func unpark() -> WriterWake {
        guard !parked.isEmpty else { return .nothing }
        others.insert(contentsOf: parked, at: 0)
        parked = []
        isPatient = false
        return wake()
    }

    @inlinable package var isEmpty: Bool {
        parked.isEmpty && others.isEmpty && submissions.isEmpty && maintenance.isEmpty
    }

    /// Whether a command waits that the writer can run now. Parked commands cannot.
    @inlinable package var hasRunnable: Bool { !(others.isEmpty && submissions.isEmpty && maintenance.isEmpty) }

    /// Removes the waiting commands that match, except maintenance, and returns them.
    package mutating func withdraw(where matches: (Command) -> Bool) -> [Command] {
        defer {
            parked.removeAll(where: matches)
            others.removeAll(where: matches)
            submissions.removeAll(where: matches)
        }
        return (parked + others + submissions).filter(matches)
    }

    /// Rejects all later commands with this error. Those that wait already still run.
    package mutating func refuse(with error: JournalError) { refusal = refusal ?? error }

    /// Rejects all later commands, removes all that wait, and returns them: nothing runs any more.
    package mutating func abandon(with error: JournalError) -> [Command] {
        refusal = error
        defer { (parked, others, submissions, maintenance) = ([], [], [], []) }
        return parked + others + submissions + maintenance
    }

    @inlinable mutating func takeMaintenance() -> Command? {
        guard !maintenance.isEmpty else { return nil }
        guard others.isEmpty && submissions.isEmpty || commitsSinceMaintenance >= commitsPerMaintenance else {
            commitsSinceMaintenance += 1
            return nil
        }
        commitsSinceMaintenance = 0
        return maintenance.removeFirst()
    }

    @inlinable mutating func wake() -> WriterWake {
        if isGathering, !isPatient || others.count >= commandsPerCommit {
            isGathering = false
            return .hurry
        }
        defer { isRunning = true }
        return isRunning ? .nothing : .start
    }
}
