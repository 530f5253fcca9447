import GRDB
public import LongtakeCore

/// The settings of the storage. The defaults suit a daemon.
public struct SQLiteConfiguration: Sendable {
    /// The number of connections that only read. All are opened at startup.
    public var readers: Int
    /// How long to wait for the lock of a previous process that is still ending.
    public var lockWait: Duration
    /// How long a cancel is retried while the disk is full.
    public var cancelPatience: Duration
    /// The number of queued jobs per tenant. Further submissions are rejected.
    public var queuedJobsPerTenant: Int
    /// How many stages of each queue can run at once, for the estimates; no entry for queues of
    /// workers elsewhere. `nil` for no estimates.
    public var workers: [QueueName: Int]?

    public init(
        readers: Int = 4, lockWait: Duration = .seconds(5), cancelPatience: Duration = Limits.cancelPatience,
        queuedJobsPerTenant: Int = Limits.queuedJobsPerTenantDefault, workers: [QueueName: Int]? = nil
    ) {
        self.readers = readers
        self.lockWait = lockWait
        self.cancelPatience = cancelPatience
        self.queuedJobsPerTenant = queuedJobsPerTenant
        self.workers = workers
    }
}

/// Facts about the opened storage, for the log lines.
public struct BootInfo: Hashable, Sendable {
    /// 1 for the first boot on this database.
    public let number: Int64
    public let sqliteVersion: String
    /// The number of stages that the last boot left running and that recovery put back or ended;
    /// `nil` while the disk is too full for recovery.
    public let recoveredStages: Int?
}

/// A version of the SQLite library.
struct SQLiteVersion: Comparable {
    let parts: [Int]

    /// The version of the library in this process.
    static func ofLibrary(_ pool: DatabasePool) throws -> String {
        try pool.read { try String.fetchOne($0, sql: "SELECT sqlite_version()") } ?? ""
    }

    init(_ text: String) { parts = text.split(separator: ".").map { Int($0) ?? 0 } }

    /// Whether two connections that write and run a checkpoint at the same time can corrupt the
    /// database (sqlite.org/wal.html, “the WAL-reset bug”). This daemon has only one such
    /// connection, so it is safe. Another program that writes to the database at the same time is
    /// not.
    var hasWALResetBug: Bool {
        if self < Self("3.7.0") || self >= Self("3.51.3") { return false }
        if parts.starts(with: [3, 50]) { return self < Self("3.50.7") }
        if parts.starts(with: [3, 44]) { return self < Self("3.44.6") }
        return true
    }

    static func < (left: Self, right: Self) -> Bool { left.parts.lexicographicallyPrecedes(right.parts) }
}
