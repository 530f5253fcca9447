/// Everything that a store of jobs offers. Only the code that connects the modules of the daemon
/// uses all of it. All other code uses the protocol that it needs.
///
/// These rules hold for every store, and one conformance suite checks them on each:
/// - A call that changes something returns after the change is durable. A call that throws has
///   changed nothing, except with ``JournalError/outcomeUnknown(_:)`` and
///   ``JournalError/unanswered``.
/// - Observers are notified of each change once, after it is durable and before the callers of its
///   commands resume.
/// - Every write about a claimed stage names the claim, and has an effect only while the claim is
///   valid.
public typealias Journal = JobStore & WorkStore & EventLog & QueueStore & FileRecords & Storage

/// Jobs, as clients submit, read, cancel and delete them.
public protocol JobStore: Sendable {
    /// Stores a new job, or finds the job that the same idempotency key has created before.
    ///
    /// A known idempotency key returns its job even if new jobs are rejected.
    /// - Throws: ``JournalError/overloaded`` if too many submissions wait,
    ///   ``JournalError/tooManyQueued``, ``JournalError/invalidReferences(_:)``; for a retry also ``JournalError/noSuchJob``, or
    ///   ``JournalError/refused(_:)`` with ``JobRefusal/notRetryable``.
    func submit(_ submission: Submission) async throws -> SubmissionOutcome

    /// The job that an idempotency key has created before; `nil` if the key is new. It writes
    /// nothing.
    /// - Parameter fingerprint: ``Submission/fingerprint()`` of the submission that is repeated.
    func replay(of key: String, tenant: TenantName, fingerprint: String) async throws -> SubmissionOutcome?

    /// Cancels a job. If a worker has its stage, the worker must give it back first. Has no effect
    /// if the job has ended or is already to be canceled.
    /// - Returns: the job after the cancel; `nil` if the tenant has no such job.
    func cancel(_ job: JobID, of tenant: TenantName) async throws -> Job?

    /// Deletes a job that has ended, with its log and its idempotency key. No later read finds it,
    /// also after a crash.
    /// - Throws: ``JournalError/noSuchJob``, or ``JournalError/refused(_:)`` with
    ///   ``JobRefusal/notFinal``.
    func delete(_ job: JobID, of tenant: TenantName) async throws

    /// The job; `nil` if the tenant has no such job.
    func job(_ job: JobID, of tenant: TenantName) async throws -> Job?

    /// A page of jobs, newest first, without their queue positions.
    func jobs(_ query: JobQuery) async throws -> JobPage
}

/// Stages, as workers claim and finish them.
///
/// A claim belongs to a holder: a boot of a daemon, or a worker in another process. The holder has
/// a lease. If the lease ends, the holder is declared gone, and all of its stages return to their
/// queues.
public protocol WorkStore: Sendable {
    /// The holder of the claims of this process.
    var holder: HolderID { get }

    /// Claims up to `limit` stages that wait on `queue`: fairly by tenant, then by priority, then
    /// the oldest job. Claims none while the queue is paused.
    ///
    /// The store reserves a stage and writes the plan of the claim. It may use one transaction or
    /// two, so this is a single call (docs/decisions/0015).
    /// - Throws: ``JournalError/notOwner`` if the holder was declared gone.
    func claim(queue: QueueName, limit: Int, for holder: HolderID) async throws -> ClaimResult

    /// Stores the progress of a stage. This may wait for the disk. So a caller has one report in
    /// flight at a time, and may drop others.
    func report(_ report: StageReport, for claim: Claim) async throws -> ReportAnswer

    /// Stores an artifact that is visible before its stage ends, and its event. An artifact of the
    /// same name and stage is replaced.
    /// - Throws: ``JournalError/refused(_:)`` with ``JobRefusal/artifactNameTaken``.
    func register(_ artifact: Artifact, for claim: Claim) async throws -> ReportAnswer

    /// Ends the claim. The call cannot be cancelled: the store retries until the end is committed
    /// or impossible.
    /// - Returns: the state of the job after that.
    /// - Throws: ``JournalError/notOwner`` if the claim is no longer valid;
    ///   ``JournalError/refused(_:)`` with ``JobRefusal/artifactNameTaken``.
    func finish(_ claim: Claim, with outcome: StageOutcome) async throws -> JobState

    /// Renews the lease of a holder, and so all of its claims. A store for one process writes
    /// nothing.
    func beat(_ holder: HolderID) async throws -> LeaseAnswer

    /// Declares a holder gone, which any process may do at any time. Its stages return to their
    /// queues with their checkpoints. Its later writes are refused, and it gets no more claims. Has
    /// no effect if it is gone.
    /// - Returns: the number of stages that were returned.
    @discardableResult
    func declareGone(_ holder: HolderID) async throws -> Int

    /// Adds an observer of the changes that concern workers. The store calls it after each commit,
    /// so it must be fast and must not wait for the store.
    func observeWork(_ observer: @escaping @Sendable (WorkNotice) -> Void)
}

/// The part of one durable change that concerns workers.
public struct WorkNotice: Hashable, Sendable {
    /// Queues that have a new stage to claim, or that were resumed.
    public var readyQueues: Set<QueueName>
    /// Queues on which this change has scheduled a retry, with the earliest due time.
    public var delayedQueues: [QueueName: Timestamp]
    /// Jobs whose worker must give back the stage, because the job is to be canceled.
    public var canceling: [JobID]
    /// Jobs that have ended.
    public var ended: [JobID]

    public init(
        readyQueues: Set<QueueName> = [], delayedQueues: [QueueName: Timestamp] = [:], canceling: [JobID] = [],
        ended: [JobID] = []
    ) {
        self.readyQueues = readyQueues
        self.delayedQueues = delayedQueues
        self.canceling = canceling
        self.ended = ended
    }

    public var isEmpty: Bool {
        readyQueues.isEmpty && delayedQueues.isEmpty && canceling.isEmpty && ended.isEmpty
    }
}

/// The events of all jobs: an append-only log for each job, and one order for all of them.
///
/// Positions only increase, may have gaps, and are never used twice within an epoch. After a read
/// with the head N, no new event ever appears at or before N. If the history is replaced (a
/// restored backup, a failover that lost its tail), the epoch changes, and all cursors of the old
/// epoch become invalid. That may happen while the process runs.
public protocol EventLog: Sendable {
    /// A page of one log after a cursor, from one read; `nil` if the tenant has no such job.
    func events(of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int) async throws -> EventPage?

    /// A page of the events of all jobs of one tenant, in commit order, from one short read.
    func events(_ query: FeedQuery) async throws -> FeedPage

    /// Adds an observer of new events. The store calls it after each commit, so it must be fast and
    /// must not wait for the store. The commits of this process arrive in commit order. If other
    /// processes write to the store, their commits may arrive later than newer commits of this
    /// process: see ``TailNotice/after``.
    func tail(_ observer: @escaping @Sendable (TailNotice) -> Void)
}

/// New events of all jobs.
public struct TailNotice: Sendable {
    public let epoch: Epoch
    /// The position right before the first event of ``News/events(_:)``. If the cursor of a feed
    /// reader is older, another process has written events that the reader must read from the
    /// store. `nil` if there is no gap after the previous notice, which is always so if only one
    /// process writes.
    public let after: EventPosition?
    public let news: News

    /// What the process knows about the change.
    public enum News: Sendable {
        /// These events, in commit order. Those of one job have consecutive numbers.
        case events([CommittedEvent])
        /// There are new events up to this position, which this process must read.
        case advanced(to: EventPosition)
    }

    public init(epoch: Epoch, after: EventPosition? = nil, _ news: News) {
        self.epoch = epoch
        self.after = after
        self.news = news
    }
}

/// The queues, as operators see and pause them.
public protocol QueueStore: Sendable {
    /// The queues that have stages or are paused, sorted by name.
    /// - Parameter tenant: counts the stages of this tenant; `nil` for all tenants.
    func queues(of tenant: TenantName?) async throws -> [QueueStatus]

    /// Stops claims from a queue, also after a restart. Claimed stages continue. Has no effect if
    /// the queue is paused.
    func pause(_ queue: QueueName) async throws

    /// Allows claims from a queue again, and wakes its workers. Has no effect if the queue is not
    /// paused.
    func resume(_ queue: QueueName) async throws
}

/// The storage of the jobs, as the daemon watches and closes it.
public protocol Storage: Sendable {
    /// The current epoch.
    var epoch: Epoch { get }

    /// The number of jobs that were set aside since the start, because their stored data cannot be
    /// read (``JobError/unreadable``).
    var unreadableJobs: Int { get }

    /// Checks whether the disk accepts writes.
    /// - Throws: ``JournalError`` if it does not.
    func checkWritable() async throws

    /// Runs the waiting commands, refuses later ones, and closes the storage.
    func close() async throws
}

extension Storage {
    /// 0, for a store that keeps everything in memory.
    public var unreadableJobs: Int { 0 }
}

/// The error of a call to a store. The call has changed nothing, except with ``outcomeUnknown(_:)``
/// and ``unanswered``.
public enum JournalError: Error, Hashable, Sendable {
    /// The claim is no longer valid: stop the work, and write nothing.
    case notOwner
    /// The holder of this process was declared gone, so the store accepts no writes from it. The
    /// process must restart as a new holder.
    case gone
    case refused(JobRefusal)
    /// Too many commands or reads already wait.
    case overloaded
    /// The tenant has reached its limit of queued jobs.
    case tooManyQueued
    /// The files of the tenant would exceed their quota.
    case tooManyBytes
    /// The input of a submission refers to content that does not exist or does not fit.
    case invalidReferences([InputProblem])
    /// The tenant has no such job.
    case noSuchJob
    /// The tenant has no such file.
    case noSuchFile
    /// The store cannot persist anything at present: the disk is full, or it failed before the
    /// commit. The text is for the operator and contains no path.
    case cannotPersist(String)
    /// A read failed. The text is for the operator and contains no path.
    case cannotRead(String)
    /// The disk failed during the commit, so the change may or may not have happened. The process
    /// must restart and recover.
    case outcomeUnknown(String)
    /// The disk has not answered within the time that a client waits. The change may still happen,
    /// and may have happened.
    case unanswered
    case closed
}
