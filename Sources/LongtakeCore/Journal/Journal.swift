/// The one truth about jobs: an append-only log of events for each, and the jobs that are its fold.
///
/// Three rules hold for every implementation, and one conformance suite checks them on each:
/// - A call that changes something returns only after the change is durable; one that throws has changed nothing, but for
///   ``JournalError/outcomeUnknown`` and ``JournalError/unanswered``.
/// - Observers see each commit once, in commit order, after it is durable and before the callers of its commands go on.
/// - What a worker writes names its claim, and changes something only while that claim holds.
public protocol Journal: Sendable {
    var epoch: Epoch { get }

    /// How many jobs were set aside since the start because they cannot be read (``JobError/unreadable``).
    var unreadableJobs: Int { get }

    /// Adds an observer, which is called after each commit on the writer: it must be quick and must not call the journal back in line.
    func observeCommits(_ observer: @escaping @Sendable (Commit) -> Void)

    /// Takes a job in, or finds the one that the same idempotency key made before.
    ///
    /// A key that is known is answered whatever stands in the way of a new job.
    /// - Throws: ``JournalError/overloaded`` when too many submissions wait; ``JournalError/tooManyQueued`` when so many jobs of the tenant
    ///   do; for a retry, ``JournalError/noSuchJob``, or ``JournalError/refused(_:)`` with ``JobRefusal/notRetryable``.
    func submit(_ submission: Submission) async throws -> SubmissionOutcome

    /// What an idempotency key has made before, by a read alone; `nil` where it is new. What is then submitted is judged anew.
    /// - Parameter fingerprint: of the submission that is to be repeated, ``Submission/fingerprint()``.
    func replay(of key: String, tenant: TenantName, fingerprint: String) async throws -> SubmissionOutcome?

    /// Hands out up to `limit` stages that wait on `queue`: fair between tenants, then by priority, then the oldest job. None while the queue is
    /// paused.
    func claim(queue: QueueName, limit: Int) async throws -> ClaimResult

    /// Writes how far a stage is. May wait for the disk, so a caller has one report under way at a time, and may skip some.
    /// - Throws: ``JournalError/notOwner``, or ``JournalError/refused(_:)`` with ``JobRefusal/canceling``.
    func report(_ report: StageReport, for claim: Claim) async throws

    /// Ends the claim. Not cancellable: it is tried until it is committed, or known to be impossible.
    /// - Returns: the state of the job after it.
    /// - Throws: ``JournalError/notOwner``.
    func finish(_ claim: Claim, with outcome: StageOutcome) async throws -> JobState

    /// Cancels a job, or asks its worker to give it up. Harmless on a job that is final, and when called again.
    /// - Returns: the job after it; `nil` where this tenant has no such job.
    func cancel(_ job: JobID, of tenant: TenantName) async throws -> Job?

    /// Removes a job that is over, with its log and its key: from here on nobody finds it, also after a crash.
    /// - Throws: ``JournalError/noSuchJob``, or ``JournalError/refused(_:)`` with ``JobRefusal/notFinal``.
    func delete(_ job: JobID, of tenant: TenantName) async throws

    /// `nil` where this tenant has no such job.
    func job(_ job: JobID, of tenant: TenantName) async throws -> Job?

    /// A page of jobs, newest first, without their queue positions.
    func jobs(_ query: JobQuery) async throws -> JobPage

    /// A page of one log after a cursor, from one read. `nil` where this tenant has no such job.
    func events(of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int) async throws -> EventPage?

    /// A page of the events of all jobs of one tenant, in commit order, from one short read.
    func events(_ query: FeedQuery) async throws -> FeedPage

    /// The queues on which something waits or runs, and those that are paused, by name.
    /// - Parameter tenant: whose stages are counted; `nil` for everybody's.
    func queues(of tenant: TenantName?) async throws -> [QueueStatus]

    /// Hands out nothing of a queue any more, also after a restart. What is claimed already goes on. Harmless when called again.
    func pause(_ queue: QueueName) async throws

    /// Hands out the stages of a queue again, and wakes its workers. Harmless on a queue that is not paused.
    func resume(_ queue: QueueName) async throws

    /// Fails while work cannot be persisted.
    func checkWritable() async throws

    /// Ends the writer: commands that wait are carried out, later ones are refused, the log is folded into the database file.
    func close() async throws
}

extension Journal {
    /// None: a journal that stores nothing reads nothing back.
    public var unreadableJobs: Int { 0 }
}

/// What one transaction made durable.
public struct Commit: Sendable {
    /// In commit order; those of one job with consecutive numbers.
    public var events: [CommittedEvent]
    /// Queues on which a stage may be claimed now that could not before: it came to wait, or the queue is paused no more.
    public var readyQueues: Set<QueueName>
    /// Queues on which a stage waits for its next attempt, with the earliest time of those that this commit added.
    public var delayedQueues: [QueueName: Timestamp]

    public init(
        events: [CommittedEvent] = [], readyQueues: Set<QueueName> = [], delayedQueues: [QueueName: Timestamp] = [:]
    ) {
        self.events = events
        self.readyQueues = readyQueues
        self.delayedQueues = delayedQueues
    }
}

/// Why the journal did not do what was asked. Nothing was changed, but for ``outcomeUnknown`` and ``unanswered``.
public enum JournalError: Error, Hashable, Sendable {
    /// The claim does not hold any more: stop, write nothing.
    case notOwner
    case refused(JobRefusal)
    /// Too many commands or reads wait already.
    case overloaded
    /// As many jobs of the tenant are queued as may be.
    case tooManyQueued
    /// The tenant has no such job.
    case noSuchJob
    /// The database cannot persist at present (full, or an error before the commit); the text is for the operator, and has no path in it.
    case cannotPersist(String)
    /// The disk failed in the commit itself: it may or may not have happened. The process must end and recover.
    case outcomeUnknown(String)
    /// The disk has not answered for ``Limits/answerDeadline``. It may still happen, and may have happened.
    case unanswered
    case closed
}
