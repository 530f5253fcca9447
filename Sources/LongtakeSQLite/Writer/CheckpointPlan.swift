import GRDB

/// When to fold the write-ahead log into the database, from how long the log is.
///
/// A log that readers keep from beginning anew goes on growing, so it is folded in again only when it has grown by as much again: each
/// checkpoint syncs two files.
struct CheckpointPlan {
    /// How long the log was at the last checkpoint.
    private var folded: Int32 = 0

    /// SQLite's own default, 4 MB of 4 KiB pages.
    static let step: Int32 = 1_000
    /// 64 MB. From here on readers are waited for, so that the log can begin anew.
    static let long: Int32 = 16_384

    /// - Parameter pages: how many the log holds after a commit.
    /// - Returns: the checkpoint that is due now, which is taken as done.
    mutating func due(at pages: Int32) -> Database.CheckpointMode? {
        // It began anew.
        if pages < folded { folded = 0 }
        guard pages - folded > Self.step else { return nil }
        folded = pages
        return pages > Self.long ? .truncate : .passive
    }
}
