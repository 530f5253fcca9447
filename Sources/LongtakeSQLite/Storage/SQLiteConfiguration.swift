public import LongtakeCore

/// What of the storage can be set, with defaults that suit a daemon.
public struct SQLiteConfiguration: Sendable {
    /// Connections that read beside the writer; all are opened at start.
    public var readers: Int
    /// How long to wait for the lock of a predecessor that is still ending.
    public var lockWait: Duration
    /// How long a cancel is tried while the disk is full.
    public var cancelPatience: Duration
    /// Jobs of one tenant that may be queued; a submission beyond it is refused.
    public var queuedJobsPerTenant: Int

    public init(
        readers: Int = 4, lockWait: Duration = .seconds(5), cancelPatience: Duration = Limits.cancelPatience,
        queuedJobsPerTenant: Int = Limits.queuedJobsPerTenantDefault
    ) {
        self.readers = readers
        self.lockWait = lockWait
        self.cancelPatience = cancelPatience
        self.queuedJobsPerTenant = queuedJobsPerTenant
    }
}

/// What is known of the storage once it is open, for the log.
public struct BootInfo: Hashable, Sendable {
    /// 1 for the first life of a process on this database.
    public let number: Int64
    public let sqliteVersion: String
    /// Stages that the boot before had left running, and that were put back or ended; `nil` while the disk is too full to write that.
    public let recoveredStages: Int?
}
