/// What is wrong with the disk at present.
struct DiskFaults {
    /// How a commit ends.
    enum CommitEnd {
        case done
        /// It did not happen, and that is known: full, busy.
        case refused
        /// COMMIT failed. Whether it happened, only the next boot can tell.
        case unknown(happened: Bool)
    }

    var isFull = false
    /// The next commit ends so.
    var nextCommit = CommitEnd.done
    /// A commit that does not come back.
    var isStalled = false
    /// Reads that do not come back.
    var areReadsStalled = false
    /// One read in so many fails; `nil` for none.
    var failingReads: Int?
    /// Submissions that may wait.
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
