/// Limits of the queues of a store, which every store shares, each with its reason.
@usableFromInline package enum StorageLimits {
    // MARK: Commands

    /// Submissions that wait for the writer. At 1,000 submissions per second, this queue takes one
    /// second. More submissions would only time out.
    package static let submissionsWaiting = 1_024
    /// Commands in one transaction, which bounds the duration of a commit and the memory of its
    /// events.
    package static let commandsPerCommit = 512
    /// Other transactions that run before one maintenance transaction while commands wait. So
    /// maintenance gives way to them, and still makes progress.
    package static let commitsPerMaintenance = 8

    // MARK: A disk that does not answer

    /// The interval at which the watchdog checks the writer while a command waits.
    @usableFromInline package static let watchdogInterval: Duration = .seconds(1)
    /// If one transaction takes longer than this, the disk does not answer. Then submissions,
    /// cancels and probes are rejected, and `/readyz` reports it.
    @usableFromInline package static let stallTimeout: Duration = .seconds(5)
    /// A client that requests a write gets a response after this time, even if the outcome of the
    /// write is unknown. Most proxies wait twice as long.
    @usableFromInline package static let responseTimeout: Duration = .seconds(30)

    // MARK: A full disk

    /// The interval at which a store checks whether a full disk has space again.
    package static let spaceCheckInterval: Duration = .seconds(1)

    // MARK: Reads

    /// Reads that run or wait. If one more arrives, the newest read of the tenant with the most
    /// waiting reads is rejected. A longer queue would not be worked off in time.
    package static let readsWaiting = 4_096
}
