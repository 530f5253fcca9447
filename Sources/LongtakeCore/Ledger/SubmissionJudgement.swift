/// A submission with all that its plan needs except the time. Its caller works it out, because a store
/// has one writer for everybody.
public struct PreparedSubmission: Sendable {
    public let submission: Submission
    /// What another submission with the same idempotency key must repeat; `nil` without a key.
    public let fingerprint: String?
    /// The job before its first event. Its `lastAt` is not known yet.
    public let facts: JobFacts
    public let firstEvent: PlannedEvent

    /// - Throws: an error of encoding the fingerprint.
    public init(_ submission: Submission) throws {
        self.submission = submission
        fingerprint = submission.idempotencyKey == nil ? nil : try submission.fingerprint()
        let decision = JobStateMachine(pipeline: submission.pipeline).submit(priority: submission.priority)
        facts = JobFacts(
            id: submission.id, tenant: submission.tenant, priority: submission.priority,
            pipeline: submission.pipeline, life: decision.life, lastAt: Timestamp(millisecondsSince1970: 0))
        firstEvent = PlannedEvent(decision.events[0])
    }
}

/// What a store knows of a submission before it decides about it.
public struct SubmissionFacts: Hashable, Sendable {
    /// The fingerprint that is stored with the submission's idempotency key; `nil` if the key is new, or
    /// if there is none.
    public var knownFingerprint: String?
    /// The job that is to be retried; `nil` if the submission is no retry.
    public var origin: Origin?
    /// How many jobs of the tenant are queued.
    public var queuedJobs: Int

    /// The job that is to be retried, as far as the tenant has it.
    public enum Origin: Hashable, Sendable {
        /// The tenant has no such job.
        case missing
        case found(JobState)
    }

    public init(knownFingerprint: String? = nil, origin: Origin? = nil, queuedJobs: Int) {
        self.knownFingerprint = knownFingerprint
        self.origin = origin
        self.queuedJobs = queuedJobs
    }
}

/// What becomes of a submission.
public enum SubmissionJudgement: Hashable, Sendable {
    case create(LedgerPlan)
    /// The key has made a job before, from the same content.
    case replay
    /// The key has made a job before, from other content.
    case conflict

    /// A known key comes first, so it returns its job even when new jobs are rejected.
    /// - Parameter queuedMost: how many jobs of one tenant may be queued.
    /// - Throws: ``JournalError/noSuchJob`` or ``JournalError/refused(_:)`` for a retry, and
    ///   ``JournalError/tooManyQueued``.
    public init(
        _ submission: PreparedSubmission, on facts: SubmissionFacts, queuedMost: Int, at moment: ClockReading
    ) throws(JournalError) {
        if let known = facts.knownFingerprint {
            // Compared as bytes: `==` of texts follows Unicode's equivalence.
            let isSame = submission.fingerprint.map { known.utf8.elementsEqual($0.utf8) } ?? false
            self = isSame ? .replay : .conflict
            return
        }
        switch facts.origin {
        case nil: break
        case .missing: throw .noSuchJob
        case .found(let state): guard state.isRetryable else { throw .refused(.notRetryable) }
        }
        guard facts.queuedJobs < queuedMost else { throw .tooManyQueued }
        self = .create(.insert(submission, at: moment))
    }
}

extension JobState {
    /// Only a job that is over can be deleted.
    /// - Parameter state: `nil` if the tenant has no such job.
    public static func requireDeletable(_ state: JobState?) throws(JournalError) {
        guard let state else { throw .noSuchJob }
        guard state.isFinal else { throw .refused(.notFinal) }
    }
}
