import LongtakeCore

/// What waits for the writer: the pure part of group commit.
///
/// Submissions have a lane with a bound, since more of them would only time out; everything else, which ends work rather than bringing it,
/// has a lane of its own and is never turned away. Vital commands that a full disk refused are parked, and return in front. Chores, which
/// nobody waits for, go one to a transaction: when nothing else waits, or after so many other transactions. Reports are patient: where only
/// such wait, the writer may gather more of them first.
struct CommandLanes<Command> {
    private var submissions: [Command] = []
    private var others: [Command] = []
    private var parked: [Command] = []
    private var chores: [Command] = []
    /// Transactions that went before the chore that waits.
    private var commitsSinceChore = 0
    /// Whether nobody waits for any of it: reports and chores.
    private var isPatient = true
    private var isGathering = false
    private var isDraining = false
    private var refusal: JournalError?
    /// While the disk is full, or something else is in the way, only what ends work, and chores, may be written; to others this is thrown.
    var obstacle: JournalError?
    private let limit: Int
    private let submissionsWaiting: Int
    private let commitsPerChore: Int

    init(
        commandsPerCommit: Int = Limits.commandsPerCommit, submissionsWaiting: Int = Limits.submissionsWaiting,
        commitsPerChore: Int = Limits.commitsPerChore
    ) {
        limit = commandsPerCommit
        self.submissionsWaiting = submissionsWaiting
        self.commitsPerChore = commitsPerChore
    }

    /// What is to be done about the writer.
    enum Wake: Hashable {
        case nothing
        /// It sleeps, and is to be woken.
        case start
        /// It gathers, and is to stop that.
        case hurry
    }

    mutating func add(_ command: Command, as kind: CommandKind) throws(JournalError) -> Wake {
        if let refusal { throw refusal }
        if let obstacle, !kind.mayUseReserve { throw obstacle }
        switch kind {
        case .submission:
            guard submissions.count < submissionsWaiting else { throw .overloaded }
            submissions.append(command)
        case .report, .other, .probe, .vital:
            others.append(command)
        case .chore:
            chores.append(command)
        }
        if kind != .report && kind != .chore { isPatient = false }
        return wake()
    }

    /// Begins to gather, where that is allowed and something waits. What is added tells when it is to stop.
    mutating func gather() -> Bool {
        isGathering = isPatient && parked.isEmpty && !others.isEmpty && others.count < limit && refusal == nil
        return isGathering
    }

    /// The next transaction's commands, in the order of each lane; half of it is kept for submissions where so many wait. Empty: the writer
    /// goes to sleep.
    mutating func take() -> [Command] {
        isGathering = false
        if let chore = takeChore() { return [chore] }
        let kept = min(submissions.count, limit / 2)
        let batch = Array(others.prefix(limit - kept))
        let news = submissions.prefix(limit - batch.count)
        others.removeFirst(batch.count)
        submissions.removeFirst(news.count)
        isPatient = others.isEmpty && submissions.isEmpty
        isDraining = !(batch.isEmpty && news.isEmpty)
        return batch + news
    }

    mutating func park(_ commands: [Command]) { parked += commands }

    mutating func unpark() -> Wake {
        guard !parked.isEmpty else { return .nothing }
        others.insert(contentsOf: parked, at: 0)
        parked = []
        isPatient = false
        return wake()
    }

    var isEmpty: Bool { parked.isEmpty && others.isEmpty && submissions.isEmpty && chores.isEmpty }

    /// Takes back what waits, where `isWanted` says so.
    mutating func withdraw(where isWanted: (Command) -> Bool) -> [Command] {
        defer {
            parked.removeAll(where: isWanted)
            others.removeAll(where: isWanted)
            submissions.removeAll(where: isWanted)
        }
        return (parked + others + submissions).filter(isWanted)
    }

    /// Refuses every later command, and returns what waits where there is no hope for it.
    mutating func refuse(with error: JournalError, abandoning: Bool) -> [Command] {
        if refusal == nil || abandoning { refusal = error }
        guard abandoning else { return [] }
        defer { (parked, others, submissions, chores) = ([], [], [], []) }
        return parked + others + submissions + chores
    }

    private mutating func takeChore() -> Command? {
        guard !chores.isEmpty else { return nil }
        guard others.isEmpty && submissions.isEmpty || commitsSinceChore >= commitsPerChore else {
            commitsSinceChore += 1
            return nil
        }
        commitsSinceChore = 0
        return chores.removeFirst()
    }

    private mutating func wake() -> Wake {
        if isGathering, !isPatient || others.count >= limit {
            isGathering = false
            return .hurry
        }
        defer { isDraining = true }
        return isDraining ? .nothing : .start
    }
}

/// How a command waits for the writer.
enum CommandKind: Hashable, Sendable {
    /// Brings work. So many of them at once, and no more.
    case submission
    /// Tells how far work is. It can wait for others of its kind.
    case report
    /// Somebody waits for it.
    case other
    /// Asks whether the disk would take anything.
    case probe
    /// Ends work, and is tried again while the disk is full.
    case vital
    /// Nobody waits for it, and everything else goes first.
    case chore

    /// Whether it may take the room that is kept free for a full disk: what ends work, and what makes room.
    var mayUseReserve: Bool { self == .vital || self == .chore }
}

extension JournalError {
    static let diskFull = JournalError.cannotPersist(RoomKeeper.full)
}
