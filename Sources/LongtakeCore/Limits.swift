/// The daemon's bounds that are no settings and that somebody outside can feel, in one place, each with its reason. What concerns one part
/// alone, the size of a cache or of a socket's buffer, is there.
public enum Limits {
    // MARK: Jobs

    /// Stages of one pipeline. A picture of 64 steps still fits a screen, and the log's `job.queued` stays below 5 KB.
    public static let stagesPerPipeline = 64
    /// Entries of a job's `metadata`, and the bytes of a key and of a value: labels, not a document store.
    public static let metadataEntries = 16
    public static let metadataKeyBytes = 64
    public static let metadataValueBytes = 512
    /// An `Idempotency-Key`, in visible ASCII characters.
    public static let idempotencyKeyBytes = 255
    /// What `limits.queued_jobs_per_tenant` may say, and its default: a queue that takes hours to work off serves nobody who waits in it, and
    /// each job of it costs some kilobytes on the disk.
    public static let queuedJobsPerTenant = 1...1_000_000
    public static let queuedJobsPerTenantDefault = 10_000
    /// Jobs that one process sets aside because SQLite calls their pages corrupt. If there are more, the
    /// database itself is damaged: the writer reports the error instead of failing one job after the other.
    public static let corruptJobsSetAside = 16
    /// Positions counted in a queue: beyond that “far” is all that anybody wants to know, and counting would cost a scan.
    public static let queuePositionsCounted = 1_000

    // MARK: Reports

    /// Reports of one stage. 8 stages of 1,000 are 8,000 events or some 2 MB, which replays in a second.
    public static let reportsPerStage = 1_000
    /// Between two reports of one stage, the last excepted: four a second look like a moving bar.
    public static let reportInterval: Duration = .milliseconds(250)
    /// What the setting may say: a stage that reports more often than 100 times a second shows nobody anything new.
    public static let reportIntervalMilliseconds = 10...60_000
    /// The text of one report; it is in every reader's stream.
    public static let reportMessageBytes = 512
    /// The opaque part of a checkpoint, as JSON in UTF-8. It is in the stage's row, which each such report rewrites.
    public static let checkpointBytes = 16_384
    /// The `message` of an error.
    public static let errorMessageBytes = 2_048

    // MARK: Work

    /// Attempts of one stage.
    public static let attempts = 3
    /// The wait before the second attempt; it doubles from there.
    public static let retryDelay: Duration = .seconds(2)
    public static let retryDelayMost: Duration = .seconds(60)
    /// How much the wait before an attempt varies either way, so that what failed together does not return together.
    public static let retryJitter = 0.2
    /// No wait before an attempt is longer. One that seems to be shows that the wall clock was set back, and is over.
    public static let retryWaitMost: Duration = retryDelayMost * (1 + retryJitter)
    /// Where a transaction takes longer than this the disk does not answer: new work, cancels and probes are refused, and `readyz` says so.
    public static let writerHeldMost: Duration = .seconds(5)
    /// A request that asks for a change is answered after this, even where nobody knows whether it has happened: the half of what proxies wait.
    public static let answerDeadline: Duration = .seconds(30)
    /// Between two looks whether the writer comes back, while somebody waits for it.
    public static let writerLookInterval: Duration = .seconds(1)
    /// A wait that ends later than this was not late: the machine or the process was paused.
    public static let pauseNoticed: Duration = .seconds(2)
    /// How long a runner that was told to stop may take to end: enough to end a child process or to flush a file, and little beside the
    /// minute that an attempt has at least. After it the attempt is abandoned and its worker is free.
    public static let runnerStopGrace: Duration = .seconds(10)
    /// An attempt may take this many times its expected duration, and always the least.
    public static let timeLimitFactor = 10.0
    public static let timeLimitLeastSeconds = 60.0
    public static let timeLimitMostSeconds = 86_400.0
    /// Multiplies simulated time: from a tenth, for looking closely, to what a 200 s job does in 20 ms.
    public static let simulationSpeed = 0.1...10_000.0
    /// 60 s at 60 frames a second.
    public static let simulatedSteps = 3_600
    public static let workersPerQueue = 10_000
    /// Stages that one claim hands out: bounds its transaction. Whoever has more free workers asks again.
    public static let claimsAtOnce = 256
    /// Between tries to claim, or to write how a stage ended, while the journal cannot persist; it doubles from there.
    public static let persistRetryDelay: Duration = .milliseconds(100)
    /// Five seconds after the disk has room again, all goes on.
    public static let persistRetryDelayMost: Duration = .seconds(5)

    // MARK: Journal

    /// Submissions that wait for the disk. At 1,000 a second that is a second of waiting; more would only time out.
    public static let submissionsWaiting = 1_024
    /// Commands in one transaction: bounds how long a commit holds the writer, and the memory of its events.
    public static let commandsPerCommit = 512
    /// Events and bytes of one page of a log: a short read transaction, and a buffer that a socket takes at once.
    public static let eventsPerPage = 256
    public static let bytesPerPage = 64 * 1024
    /// Events of a page that a client asks for with `?limit=`.
    public static let eventsPerClientPage = 1_000
    public static let jobsPerPage = 200
    /// Texts of the jobs of one page of a list: 200 jobs as most are, and still 16 of the largest that there can be.
    public static let jobBytesPerPage = 1024 * 1024
    /// Jobs that one reader of the feed may name; each is a seek of every read.
    public static let feedJobs = 64
    /// Events that one read of the feed looks at: bounds the read where a filter lets few of them through.
    public static let feedEventsExamined = 4_096
    /// Reads that run or wait at once. When one more comes, the newest of the tenant with the longest line is refused: a line that long is not worked
    /// off in time.
    public static let readsWaiting = 4_096

    // MARK: Full disk

    /// What is kept free on the disk for the ends of stages, cancels and pruning: the log of some 100 transactions between two checkpoints.
    public static let reserveBytes: Int64 = 4 * 1024 * 1024
    /// Between two looks whether a full disk has room again.
    public static let reserveRetryDelay: Duration = .seconds(1)
    /// What a backup leaves free besides itself: the log that grows while it is made, and the reserve.
    public static let backupSpares: Int64 = 64 * 1024 * 1024
    /// How long one may be made, and how far the log may grow meanwhile, which nothing can shorten before its end: 100 GB at 30 MB a second,
    /// and a fifth of the database's own bound.
    public static let backupLasts: Duration = .seconds(3_600)
    public static let backupLogBytes: Int64 = 4 * 1024 * 1024 * 1024
    /// How long a request waits for the directory of the backups, which may be on a disk that hangs: less than what clients wait for an
    /// answer. After it they are told 503.
    public static let backupPatience: Duration = .seconds(5)
    /// Requests that wait for that directory at once; operators ask, and no crowd.
    public static let backupsWaiting = 16
    /// How long a stop waits for the end of a backup, which is interrupted. One whose disk hangs is left behind, and its file is removed at
    /// the next start.
    public static let backupStopPatience: Duration = .seconds(2)
    /// How long a cancel is tried while the disk is full: somebody waits for its answer.
    public static let cancelPatience: Duration = .seconds(5)

    // MARK: Pruning

    /// Rows that one transaction of pruning deletes: what a submission may have to wait for. Measured in docs/decisions/0005.
    public static let rowsPerPrune = 1_000
    /// Other transactions that go before one of pruning while commands wait: it gives way, and still gets on.
    public static let commitsPerMaintenance = 8
    /// After a transaction of pruning, so many times as long as its deletes took, the sync of its commit not counted.
    public static let prunePauses = 4
    /// Between two looks, so that jobs that become due in a row are removed together.
    public static let pruneInterval: Duration = .seconds(10)
    /// A job that has finished stays for so long however large the database is: whoever watches it live is told how it ended.
    public static let finishedJobStays: Duration = .seconds(10)
    /// After a transaction of pruning that failed, on a full disk for one.
    public static let pruneRetryDelay: Duration = .seconds(60)
    /// Between two lines of the log about it.
    public static let pruneLogInterval: Duration = .seconds(60)
    /// Free pages that are kept in the file at least, 64 MB.
    public static let freePagesKept: Int64 = 16_384
    /// Pages that one transaction gives back to the file system; each may move another page and the pointer to it.
    public static let pagesPerShrink = 256

    /// Reads for streams that are at the journal at once. The others wait before it, so that they do not count for the bound above.
    public static let streamReadsAtOnce = 64
    /// Reads of the feed that run at once, beside those: half of the connections to the database, so that the other half is always there for the logs of jobs.
    public static let feedReadsAtOnce = 2
    /// Whoever waits longer for a read is refused, in periods that a clock ticks, so 15 to 20 s: twice as long as it takes ten thousand who return
    /// together, on a slow machine, and less than the minute after which proxies give up.
    public static let readPeriods = 4
    public static let readPeriod: Duration = .seconds(5)

    // MARK: HTTP

    public static let requestBodyBytes = 64 * 1024
    /// Arrays and objects in one another, in a body: the deepest that any rule asks for is 3.
    public static let jsonDepth = 32
    /// The name of a member, in a body: the longest that any rule takes is a key of the metadata, of ``metadataKeyBytes``. The time to compare
    /// two texts grows with the square of their combining marks; 60 KB of them took seconds.
    public static let jsonNameBytes = 256
    public static let requestHeadBytes = 16 * 1024
    /// The whole request, head and body.
    public static let requestDeadline: Duration = .seconds(10)
    /// A kept connection without a request.
    public static let idleConnection: Duration = .seconds(60)
    /// Bytes of an answer that a client has to take within ``writeDeadline``, again and again until it has all.
    public static let answerPiece = 16 * 1024
    /// Answers that are larger than a piece and that nobody has taken yet, in all and of one key and its tickets: hundreds of pages, which
    /// whoever reads takes in milliseconds.
    public static let answerBytes = 256 * 1024 * 1024
    public static let answerBytesPerKey = 64 * 1024 * 1024
    /// A request that asks to wait (`Prefer: wait`, `?wait=`): below the 60 s at which most proxies give up.
    public static let waitSeconds = 50
    /// Requests that wait at once. A drain wakes them all in one moment and each reads once more, which has to fit into ``readsWaiting``.
    public static let requestsWaiting = 2_048
    /// Of one key and its tickets, so that no tenant takes all of them.
    public static let requestsWaitingPerKey = 256
    /// Connections at once, fewer where the system allows fewer descriptors. Beyond it those that wait for a request make room.
    public static let connections = 32_768

    /// How long `readyz` goes by a write that succeeded: whoever asks, and anybody may, costs no more than one commit a second.
    public static let readinessLasts: Duration = .seconds(1)

    // MARK: Tickets

    /// Jobs of one ticket: as many as one reader of the feed may name.
    public static let ticketJobs = feedJobs
    /// How long a ticket may be good for: up to a week, which outlives the longest job.
    public static let ticketSeconds = 1...604_800
    /// A day, so that a page that was left open overnight goes on.
    public static let ticketSecondsDefault = 86_400

    // MARK: Streams

    /// A write that has not left the process after this long ends its stream.
    public static let writeDeadline: Duration = .seconds(10)
    /// What `stream.heartbeat_seconds` and a client's `heartbeat_seconds` may say. Clients give up after 5 s of silence, proxies after 60 s.
    public static let heartbeatSeconds = 1...300
    /// A client may ask for a heartbeat this many times as long as the setting. The heartbeat is what finds dead readers, so a client must not
    /// put it off at will.
    public static let heartbeatFactor = 4
    /// The `retry:` of a stream in milliseconds; drawn from here for each, so that readers do not return together.
    public static let retryMilliseconds = 1_000...3_000
    /// The part of a refused cursor that is repeated to the reader.
    public static let requestedCursorBytes = 64
    /// Frames that wait for one event loop; beyond it they are dropped and the readers read the log.
    public static let mailboxBytes = 4 * 1024 * 1024
    /// The newest events of one job that are kept encoded while its readers return: what one misses who was away for a minute. At most a
    /// quarter more, so that the oldest go some at a time.
    public static let ringEvents = 256
    /// All of them together: enough for 1,000 jobs with some 250 events each.
    public static let ringBytes = 256 * 1024 * 1024
    /// Test events of one diagnostic stream, the milliseconds between two, and how long all may take: as long as a proxy may hold a body back.
    public static let diagnosticsEvents = 1...100
    public static let diagnosticsIntervalMilliseconds = 10...10_000
    public static let diagnosticsMost: Duration = .seconds(60)
    /// Over how long a drain spreads the ends of streams, and the returns of their readers.
    public static let drainSpread: Duration = .seconds(5)
}
