/// Limits of the SQLite store, each with its reason.
public enum SQLiteLimits {
    // MARK: Ledger

    /// Jobs that one process sets aside because SQLite reports their pages as corrupt. If there are
    /// more, the database itself is damaged: then the writer reports the error instead of failing
    /// one job after the other.
    static let corruptJobsSetAside = 16
    /// Stages whose delay is over that one claim makes claimable, which bounds its transaction.
    static let dueStagesPerClaim = 512
    /// Expired files, and expired artifacts, that one transaction removes. Each costs a few seeks.
    static let expiredRowsPerTransaction = 256

    /// The time after which a boot deletes a row of the estimates that no run has changed. Without
    /// this limit, the rows of removed pipelines would stay for ever.
    static let estimateAge = Duration.seconds(90 * 86_400)

    // MARK: Reads

    /// Bytes of JSON in one page of a list of jobs. This holds 200 jobs of usual size, or 16 of the
    /// largest size.
    static let jobBytesPerPage = 1024 * 1024
    /// Events that one read of the feed examines, which bounds the read if its filter selects few
    /// of them.
    static let feedEventsExamined = 4_096

    // MARK: A full disk

    /// Bytes that are reserved on the disk for the ends of stages, cancels and pruning. They hold
    /// the WAL of about 100 transactions between two checkpoints.
    static let reserveBytes: Int64 = 4 * 1024 * 1024

    // MARK: Backups

    /// Bytes that stay free on the disk besides a backup: for the reserve, and for the WAL, which
    /// grows during the backup.
    static let backupSpareBytes: Int64 = 64 * 1024 * 1024
    /// How long a backup may take: 100 GB at 30 MB per second.
    static let backupTimeLimit: Duration = .seconds(3_600)
    /// Bytes by which the WAL may grow during a backup. SQLite cannot restart the WAL before the
    /// backup ends. This is a fifth of the default size limit of the database.
    static let backupWALBytes: Int64 = 4 * 1024 * 1024 * 1024
    /// How long a request waits for the backup directory, whose disk may hang. Then it gets a 503,
    /// which is before clients time out.
    static let backupResponseTimeout: Duration = .seconds(5)
    /// Requests that wait for the backup directory. Only operators send them.
    static let backupRequestsWaiting = 16
    /// How long a shutdown waits for the end of a backup that it has interrupted. If the disk of
    /// the backup hangs, the next start removes its file.
    static let backupStopTimeout: Duration = .seconds(2)

    // MARK: Pruning

    /// Rows that one pruning transaction deletes. A submission may have to wait for one such
    /// transaction. docs/decisions/0005 has the measurement.
    public static let rowsPerPrune = 1_000
    /// The pause after a pruning transaction, as a multiple of the time that its deletes took. The
    /// sync of its commit does not count.
    static let prunePauseFactor = 4
    /// The shortest time between two checks, so that jobs that are due one after the other are
    /// removed together.
    static let pruneInterval: Duration = .seconds(10)
    /// How long a finished job is kept, even if the database exceeds its size limit. So a client
    /// that watches the job live learns how it ended.
    static let finishedJobMinimumAge: Duration = .seconds(10)
    /// The delay after a pruning transaction that failed, for example because the disk is full.
    static let pruneRetryDelay: Duration = .seconds(60)
    /// The shortest time between two log lines about pruning.
    static let pruneLogLineInterval: Duration = .seconds(60)
    /// Free pages that stay in the database file: 64 MB.
    static let freePagesKept: Int64 = 16_384
    /// Pages that one transaction returns to the file system. For each one, SQLite may move another
    /// page and change the pointer to it.
    static let pagesPerShrink = 256
}
