/// Everything that a store of jobs offers, for the place that wires the daemon together. Every other user
/// names the part that it needs.
///
/// These rules hold for every store, and one conformance suite checks them on each:
/// - A call that changes something returns only after the change is durable. A call that throws has
///   changed nothing, except with ``JournalError/outcomeUnknown(_:)`` and ``JournalError/unanswered``.
/// - Observers are told of each change once, after it is durable and before the callers of its commands
///   go on.
/// - Every write about a claimed stage names the claim, and changes something only while it holds.
public typealias Journal = JobStore & WorkStore & EventLog & QueueStore & Storage

/// Jobs, as clients submit, read, cancel and delete them.
public protocol JobStore: Sendable {
    /// Stores a new job, or finds the one that the same idempotency key made before.
    ///
    /// A known idempotency key returns its job even when new jobs are rejected.
    /// - Throws: ``JournalError/overloaded`` if too many submissions wait, ``JournalError/tooManyQueued``;
    ///   for a retry also ``JournalError/noSuchJob``, or ``JournalError/refused(_:)`` with
    ///   ``JobRefusal/notRetryable``.
    func submit(_ submission: Submission) async throws -> SubmissionOutcome

    /// The job that an idempotency key has made before, by a read alone; `nil` if the key is new.
    /// - Parameter fingerprint: ``Submission/fingerprint()`` of the submission that is repeated.
    func replay(of key: String, tenant: TenantName, fingerprint: String) async throws -> SubmissionOutcome?

    /// Cancels a job, or asks the holder of its stage to give it up. Harmless on a job that is over, and
    /// when called again.
    /// - Returns: the job afterwards; `nil` if the tenant has no such job.
    func cancel(_ job: JobID, of tenant: TenantName) async throws -> Job?

    /// Removes a job that is over, with its log and its idempotency key. From then on nobody finds it, also
    /// after a crash.
    /// - Throws: ``JournalError/noSuchJob``, or ``JournalError/refused(_:)`` with ``JobRefusal/notFinal``.
    func delete(_ job: JobID, of tenant: TenantName) async throws

    /// `nil` if the tenant has no such job.
    func job(_ job: JobID, of tenant: TenantName) async throws -> Job?

    /// A page of jobs, newest first, without their queue positions.
    func jobs(_ query: JobQuery) async throws -> JobPage
}

/// Stages, as workers claim and finish them.
///
/// A claim belongs to a holder: a boot of a daemon, or a worker elsewhere. The holder has a lease. When
/// the lease ends, the holder is declared gone, and all of its stages go back to their queues.
public protocol WorkStore: Sendable {
    /// The holder that this process claims as.
    var holder: HolderID { get }

    /// Claims up to `limit` stages that wait on `queue`: fair between tenants, then by priority, then the
    /// oldest job. None while the queue is paused.
    ///
    /// The store reserves a stage, and the plan of the claim is written with it. Whether that is one
    /// transaction or two is the store's affair, so there is one call (docs/decisions/0015).
    /// - Throws: ``JournalError/notOwner`` if the holder was declared gone.
    func claim(queue: QueueName, limit: Int, for holder: HolderID) async throws -> ClaimResult

    /// Writes how far a stage is. This may wait for the disk, so a caller has one report under way at a
    /// time and may skip some.
    func report(_ report: StageReport, for claim: Claim) async throws -> ReportAnswer

    /// Ends the claim. Not cancellable: it is tried until it is committed, or known to be impossible.
    /// - Returns: the state of the job afterwards.
    /// - Throws: ``JournalError/notOwner`` if the claim does not hold any more.
    func finish(_ claim: Claim, with outcome: StageOutcome) async throws -> JobState

    /// Renews the lease of a holder and all of its claims. A store with one process writes nothing.
    func beat(_ holder: HolderID) async throws -> LeaseAnswer

    /// Declares a holder gone. Anybody may do that at any time, and again. Its stages go back to their
    /// queues with their checkpoints, its later writes are refused, and it gets no more claims.
    /// - Returns: how many stages were put back.
    @discardableResult
    func declareGone(_ holder: HolderID) async throws -> Int

    /// Adds an observer of what workers must know. It is called where commits are told, so it must be quick
    /// and must not wait for the store.
    func observeWork(_ observer: @escaping @Sendable (WorkNotice) -> Void)
}

/// What one durable change means for workers.
public struct WorkNotice: Hashable, Sendable {
    /// Queues on which a stage can be claimed that could not before: it came to wait, or the queue was
    /// resumed.
    public var readyQueues: Set<QueueName>
    /// Queues on which a stage waits for its next attempt, with the earliest time of those that this change
    /// added.
    public var delayedQueues: [QueueName: Timestamp]
    /// Jobs whose stage is to be given up, because somebody wants the job to end.
    public var canceling: [JobID]
    /// Jobs that are over.
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
/// Positions promise this: once a reader has seen a page with the head N, no event at or before N ever
/// appears that was not there. Positions only grow, may have gaps, and are never used twice within an
/// epoch. If the history was replaced (a restored backup, a failover that lost its tail), the epoch
/// changes, and no cursor of the old one is valid. That may happen while the process lives.
public protocol EventLog: Sendable {
    /// A page of one log after a cursor, from one read. `nil` if the tenant has no such job.
    func events(of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int) async throws -> EventPage?

    /// A page of the events of all jobs of one tenant, in commit order, from one short read.
    func events(_ query: FeedQuery) async throws -> FeedPage

    /// Adds an observer of what is new. It is called after each commit, where commits are told: it must be
    /// quick and must not wait for the store. The commits of this process are told in commit order. If
    /// other processes write to the store, their commits may be told late, after newer ones of this process:
    /// see ``TailNotice/after``.
    func tail(_ observer: @escaping @Sendable (TailNotice) -> Void)
}

/// What is new in the log.
public struct TailNotice: Sendable {
    public let epoch: Epoch
    /// The position right before the first event of ``News/events(_:)``. A reader of all events that stands
    /// before it has missed events that another process wrote, and reads them from the store. `nil` if the
    /// notice follows the one before it without a gap, as it always does if one process writes alone.
    public let after: EventPosition?
    public let news: News

    /// What a process knows of a change.
    public enum News: Sendable {
        /// These events, in commit order. Those of one job have consecutive numbers.
        case events([CommittedEvent])
        /// There are events up to this position, which this process does not have: read them.
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
    /// The queues on which something waits or runs, and those that are paused, by name.
    /// - Parameter tenant: whose stages are counted; `nil` for everybody's.
    func queues(of tenant: TenantName?) async throws -> [QueueStatus]

    /// Stops handing out stages of a queue, also after a restart. Claimed stages go on. Harmless when
    /// called again.
    func pause(_ queue: QueueName) async throws

    /// Hands out the stages of a queue again, and wakes its workers. Harmless on a queue that is not paused.
    func resume(_ queue: QueueName) async throws
}

/// The storage under the jobs, as the daemon opens, watches and closes it.
public protocol Storage: Sendable {
    /// The epoch at this moment.
    var epoch: Epoch { get }

    /// How many jobs were set aside since the start because they cannot be read
    /// (``JobError/unreadable``).
    var unreadableJobs: Int { get }

    /// Fails while work cannot be persisted.
    func checkWritable() async throws

    /// Carries out the commands that wait, refuses later ones, and lets go of the storage.
    func close() async throws
}

extension Storage {
    /// None: a store that keeps everything in memory reads nothing back.
    public var unreadableJobs: Int { 0 }
}

/// Why a store did not do what was asked. Nothing was changed, except with ``outcomeUnknown(_:)`` and
/// ``unanswered``.
public enum JournalError: Error, Hashable, Sendable {
    /// The claim does not hold any more: stop, write nothing.
    case notOwner
    /// The holder of this process was declared gone, so the store takes no writes from it. The process must
    /// end and start again as a new holder.
    case gone
    case refused(JobRefusal)
    /// Too many commands or reads wait already.
    case overloaded
    /// As many jobs of the tenant are queued as may be.
    case tooManyQueued
    /// The tenant has no such job.
    case noSuchJob
    /// Nothing can be persisted at present: the disk is full, or failed before the commit. The text is for
    /// the operator and contains no path.
    case cannotPersist(String)
    /// A read failed. The text is for the operator and contains no path.
    case cannotRead(String)
    /// The disk failed in the commit itself, so the change may or may not have happened. The process must
    /// end and recover.
    case outcomeUnknown(String)
    /// The disk has not answered within the time that a client waits. The change may still happen, and
    /// may have happened.
    case unanswered
    case closed
}
