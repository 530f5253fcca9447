import LongtakeCore

/// What one transaction of pruning did, and how it left the database.
struct PruneOutcome: Hashable, Sendable {
    /// Jobs of which nothing is left.
    var jobs = 0
    var events = 0
    /// Whether another transaction has something to do at once.
    var hasMore = false
    /// Pages in use × page size.
    var usedBytes: Int64 = 0
    /// The finish of the job that finished first of those that are left; `nil` where all are active.
    var oldest: Timestamp?
}
