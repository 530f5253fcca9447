/// The current faults of the disk.
struct DiskFaults {
    /// The end of a commit.
    enum CommitEnd {
        case done
        /// The commit failed with a known outcome, because the disk is full or busy.
        case refused
        /// COMMIT failed. Only the next boot can find out whether it is on the disk.
        case unknown(happened: Bool)
    }

    var isFull = false
    /// The end of the next commit.
    var nextCommit = CommitEnd.done
    /// Commits do not return.
    var isStalled = false
    /// Reads do not return.
    var areReadsStalled = false
    /// One read in this number fails; `nil` for none.
    var failingReads: Int?
    /// The limit of waiting submissions.
    var submissionsWaiting = 1_024

    mutating func endOfCommit() -> CommitEnd {
        defer { nextCommit = .done }
        if case .done = nextCommit { return isFull ? .refused : .done }
        return nextCommit
    }

    var areOff: Bool {
        if case .done = nextCommit { return !isFull && !isStalled && !areReadsStalled && failingReads == nil }
        return false
    }
}
