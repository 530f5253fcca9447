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

    public init(
        id: JobID, tenant: TenantName = .anonymous, pipeline: Pipeline, input: JSONValue, priority: Priority = .normal,
        metadata: [String: String] = [:], simulation: Simulation? = nil, idempotencyKey: String? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.pipeline = pipeline
        self.input = input
        self.priority = priority
        self.metadata = metadata
        self.simulation = simulation
        self.idempotencyKey = idempotencyKey
    }

    /// The part of a submission that a second one with the same idempotency key must repeat: what the client said, after parsing and defaults.
    ///
    /// Canonical text, compared as it is.
    package func fingerprint() throws -> String {
        try JSONText.encode(
            Fingerprint(
                pipeline: pipeline.name, input: input, priority: priority.rawValue, metadata: metadata,
                simulation: simulation))
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
