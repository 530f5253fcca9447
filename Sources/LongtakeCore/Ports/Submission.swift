/// A validated request for a new job.
public struct Submission: Hashable, Sendable {
    public var id: JobID
    public var tenant: TenantName
    public var pipeline: Pipeline
    /// The input, including default values.
    public var input: JSONValue
    public var priority: Priority
    /// At most ``Limits/metadataEntries``, with keys of at most ``Limits/metadataKeyBytes`` and
    /// values of at most ``Limits/metadataValueBytes``.
    public var metadata: [String: String]
    public var simulation: Simulation?
    public var idempotencyKey: String?
    /// The job that this one retries. It must belong to the same tenant, and have failed or been
    /// canceled.
    public var retryOf: JobID?
    /// The content that the input refers to. It must exist, and is kept as long as the job.
    public var files: [FileReference]

    public init(
        id: JobID, tenant: TenantName = .anonymous, pipeline: Pipeline, input: JSONValue, priority: Priority = .normal,
        metadata: [String: String] = [:], simulation: Simulation? = nil, idempotencyKey: String? = nil,
        retryOf: JobID? = nil, files: [FileReference] = []
    ) {
        self.id = id
        self.tenant = tenant
        self.pipeline = pipeline
        self.input = input
        self.priority = priority
        self.metadata = metadata
        self.simulation = simulation
        self.idempotencyKey = idempotencyKey
        self.retryOf = retryOf
        self.files = files
    }

    /// A canonical text of the content of a submission. Another submission with the same
    /// idempotency key must have the same fingerprint.
    ///
    /// The text contains what the client sent, after parsing and with default values. For a retry,
    /// that is only the retried job.
    package func fingerprint() throws -> String {
        if let retryOf { return try Self.fingerprint(ofRetryOf: retryOf) }
        return try JSONText.canonical(
            Fingerprint(
                pipeline: pipeline.name, input: input, priority: priority.rawValue, metadata: metadata,
                simulation: simulation))
    }

    /// The ``fingerprint()`` of every retry of this job.
    package static func fingerprint(ofRetryOf job: JobID) throws -> String {
        try JSONText.canonical(["retry_of": job.description])
    }

    private struct Fingerprint: Encodable {
        let pipeline: PipelineName
        let input: JSONValue
        let priority: Int
        let metadata: [String: String]
        let simulation: Simulation?
    }
}

/// The outcome of a submission.
public enum SubmissionOutcome: Hashable, Sendable {
    case created(Job)
    /// The key was used before with the same content. This is the current state of its job.
    case replayed(Job)
    /// The key was used before with other content.
    case conflict

    public var job: Job? {
        switch self {
        case .created(let job), .replayed(let job): job
        case .conflict: nil
        }
    }
}
