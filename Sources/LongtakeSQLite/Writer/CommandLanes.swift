import LongtakeCore

/// What waits for the writer: the pure part of group commit.
///
/// Submissions have a lane with a bound, since more of them would only time out; everything else, which ends work rather than bringing it,
/// has a lane of its own and is never turned away. Vital commands that a full disk refused are parked, and return in front. Chores, which
/// nobody waits for, go one to a transaction: when nothing else waits, or after so many other transactions.
struct CommandLanes<Command> {
    private var submissions: [Command] = []
    private var others: [Command] = []
    private var parked: [Command] = []
    private var chores: [Command] = []
    /// Transactions that went before the chore that waits.
    private var commitsSinceChore = 0
    private var isDraining = false
    private var refusal: JournalError?
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

    /// - Returns: whether the writer sleeps and is to be woken.
    mutating func add(_ command: Command, isSubmission: Bool) throws(JournalError) -> Bool {
        if let refusal { throw refusal }
        if isSubmission {
            guard submissions.count < submissionsWaiting else { throw .overloaded }
            submissions.append(command)
        } else {
            others.append(command)
        }
        return wake()
    }

    /// - Returns: whether the writer sleeps and is to be woken.
    mutating func addChore(_ command: Command) throws(JournalError) -> Bool {
        if let refusal { throw refusal }
        chores.append(command)
        return wake()
    }

    /// The next transaction's commands, in the order of each lane; half of it is kept for submissions where so many wait. Empty: the writer
    /// goes to sleep.
    mutating func take() -> [Command] {
        if let chore = takeChore() { return [chore] }
        let kept = min(submissions.count, limit / 2)
        let batch = Array(others.prefix(limit - kept))
        let news = submissions.prefix(limit - batch.count)
        others.removeFirst(batch.count)
        submissions.removeFirst(news.count)
        isDraining = !(batch.isEmpty && news.isEmpty)
        return batch + news
    }

    mutating func park(_ commands: [Command]) { parked += commands }

    /// - Returns: whether the writer sleeps and is to be woken.
    mutating func unpark() -> Bool {
        guard !parked.isEmpty else { return false }
        others.insert(contentsOf: parked, at: 0)
        parked = []
        return wake()
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

    private mutating func wake() -> Bool {
        defer { isDraining = true }
        return !isDraining
    }
}
