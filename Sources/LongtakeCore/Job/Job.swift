/// A job in its current state, which is the fold of its event log.
public struct Job: Hashable, Sendable {
    public var id: JobID
    public var tenant: TenantName
    public var pipeline: PipelineName
    public var state: JobState
    public var progress: Progress
    /// The current stage; `nil` before the first claim and after the end of the job.
    public var stage: StageName?
    /// All stages of the pipeline, as it was when the job was submitted.
    public var stages: [Stage]
    /// The number of claims expected before this job on its queue, at most
    /// ``Limits/queuePositionsCounted``; `nil` if the job does not wait.
    public var queuePosition: Int?
    /// When the job will end. No event has it, and it changes without one. `nil` in lists, and
    /// while no estimate is honest (``Estimator/estimate(_:)``).
    public var estimate: JobEstimate?
    public var input: JSONValue
    public var output: JSONValue?
    public var error: JobError?
    public var priority: Priority
    public var metadata: [String: String]
    /// Clients do not see this. A retry uses the same value.
    public var simulation: Simulation?
    public var cancelRequested: Bool
    public var retryOf: JobID?
    public var createdAt: Timestamp
    public var startedAt: Timestamp?
    public var finishedAt: Timestamp?
    /// The last event of the log.
    public var lastEvent: EventID
    /// The artifacts, oldest first. Empty in lists.
    public var artifacts: [ArtifactRecord]

    /// A stage of a job in its current state.
    public struct Stage: Hashable, Sendable {
        public var name: StageName
        public var queue: QueueName
        public var state: StageState
        public var progress: Progress
        /// 1 for the first attempt; 0 while the stage is pending.
        public var attempt: Int
        public var startedAt: Timestamp?
        public var finishedAt: Timestamp?

        public init(
            name: StageName, queue: QueueName, state: StageState, progress: Progress, attempt: Int,
            startedAt: Timestamp?,
            finishedAt: Timestamp?
        ) {
            self.name = name
            self.queue = queue
            self.state = state
            self.progress = progress
            self.attempt = attempt
            self.startedAt = startedAt
            self.finishedAt = finishedAt
        }
    }

    public init(
        id: JobID, tenant: TenantName, pipeline: PipelineName, state: JobState, progress: Progress, stage: StageName?,
        stages: [Stage], queuePosition: Int?, estimate: JobEstimate? = nil, input: JSONValue, output: JSONValue?,
        error: JobError?,
        priority: Priority,
        metadata: [String: String], simulation: Simulation? = nil, cancelRequested: Bool, retryOf: JobID?,
        createdAt: Timestamp, startedAt: Timestamp?,
        finishedAt: Timestamp?, lastEvent: EventID, artifacts: [ArtifactRecord] = []
    ) {
        self.id = id
        self.tenant = tenant
        self.pipeline = pipeline
        self.state = state
        self.progress = progress
        self.stage = stage
        self.stages = stages
        self.queuePosition = queuePosition
        self.estimate = estimate
        self.input = input
        self.output = output
        self.error = error
        self.priority = priority
        self.metadata = metadata
        self.simulation = simulation
        self.cancelRequested = cancelRequested
        self.retryOf = retryOf
        self.createdAt = createdAt
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.lastEvent = lastEvent
        self.artifacts = artifacts
    }
}

/// The priority of a job among the jobs of its tenant on a queue: −9 to 9. Higher priorities go
/// first.
public struct Priority: Hashable, Comparable, Sendable {
    public let rawValue: Int

    public static let normal = Priority(unchecked: 0)

    /// - Returns: `nil` if the value is not in −9…9.
    public init?(_ rawValue: Int) {
        guard (-9...9).contains(rawValue) else { return nil }
        self.rawValue = rawValue
    }

    /// The valid priority that is closest to `rawValue`.
    package init(clamping rawValue: Int) { self.rawValue = min(max(rawValue, -9), 9) }

    private init(unchecked rawValue: Int) { self.rawValue = rawValue }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
