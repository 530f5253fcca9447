/// A job that somebody wants done, already validated.
public struct Submission: Hashable, Sendable {
    public var id: JobID
    public var tenant: TenantName
    public var pipeline: Pipeline
    /// With the defaults filled in.
    public var input: JSONValue
    public var priority: Priority
    public var metadata: [String: String]
    public var simulation: Simulation?
    public var idempotencyKey: String?
    /// The job that this one does again. It has to be one of the same tenant that failed or was canceled.
    public var retryOf: JobID?

    public init(
        id: JobID, tenant: TenantName = .anonymous, pipeline: Pipeline, input: JSONValue, priority: Priority = .normal,
        metadata: [String: String] = [:], simulation: Simulation? = nil, idempotencyKey: String? = nil,
        retryOf: JobID? = nil
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
    }

    /// The part of a submission that a second one with the same idempotency key must repeat: what the client said, after parsing and defaults.
    ///
    /// Canonical text, compared as it is. Of a retry it is the job alone, since that is all that the client said.
    package func fingerprint() throws -> String {
        if let retryOf { return try Self.fingerprint(ofRetryOf: retryOf) }
        return try JSONText.canonical(
            Fingerprint(
                pipeline: pipeline.name, input: input, priority: priority.rawValue, metadata: metadata,
                simulation: simulation))
    }

    /// As ``fingerprint()``, of any retry of this job.
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

/// What became of a submission.
public enum SubmissionOutcome: Hashable, Sendable {
    case created(Job)
    /// The same key and the same content came before: the job as it is now.
    case replayed(Job)
    /// The same key came before with other content.
    case conflict

    public var job: Job? {
        switch self {
        case .created(let job), .replayed(let job): job
        case .conflict: nil
        }
    }
}
