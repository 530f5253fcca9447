/// A submission with everything that its plan needs, except the time. The caller prepares it,
/// because the single writer of a store serves all callers.
public struct PreparedSubmission: Sendable {
    public let submission: Submission
    /// The fingerprint of a submission with an idempotency key; `nil` if it has no key.
    public let fingerprint: String?
    /// The job before its first event. Its `lastAt` is not set yet.
    public let facts: JobFacts
    public let firstEvent: PlannedEvent

    /// - Throws: an error if the fingerprint cannot be encoded.
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

/// The facts that the decision about a submission needs.
public struct SubmissionFacts: Hashable, Sendable {
    /// The stored fingerprint of the idempotency key; `nil` if the key is new, or if the submission
    /// has no key.
    public var knownFingerprint: String?
    /// The job to retry; `nil` if the submission is not a retry.
    public var origin: Origin?
    /// The number of queued jobs of the tenant.
    public var queuedJobs: Int
    /// The content that the references of the submission name, by input field. A field without
    /// content is missing.
    public var content: [String: ReferencedContent] = [:]

    /// The job to retry, among the jobs of the tenant.
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

/// The decision about a submission.
public enum SubmissionJudgement: Hashable, Sendable {
    case create(LedgerPlan)
    /// The key was used before with the same content.
    case replay
    /// The key was used before with other content.
    case conflict

    /// Checks the idempotency key first, so that a known key returns its job even if new jobs are
    /// rejected.
    /// - Parameter queuedJobsLimit: the limit of queued jobs per tenant.
    /// - Throws: ``JournalError/noSuchJob`` or ``JournalError/refused(_:)`` for a retry,
    ///   ``JournalError/invalidReferences(_:)``, and ``JournalError/tooManyQueued``.
    public init(
        _ submission: PreparedSubmission, on facts: SubmissionFacts, queuedJobsLimit: Int, at moment: ClockReading
    ) throws(JournalError) {
        if let known = facts.knownFingerprint {
            // Compares bytes, because `==` treats strings as equal that are equivalent in Unicode.
            let isSame = submission.fingerprint.map { known.utf8.elementsEqual($0.utf8) } ?? false
            self = isSame ? .replay : .conflict
            return
        }
        switch facts.origin {
        case nil: break
        case .missing: throw .noSuchJob
        case .found(let state): guard state.isRetryable else { throw .refused(.notRetryable) }
        }
        let files = try facts.resolve(submission.submission.files)
        guard facts.queuedJobs < queuedJobsLimit else { throw .tooManyQueued }
        self = .create(.insert(submission, files: files, at: moment))
    }
}

extension JobState {
    /// Checks that a job can be deleted.
    /// - Parameter state: `nil` if the tenant has no such job.
    public static func requireDeletable(_ state: JobState?) throws(JournalError) {
        guard let state else { throw .noSuchJob }
        guard state.isFinal else { throw .refused(.notFinal) }
    }
}
