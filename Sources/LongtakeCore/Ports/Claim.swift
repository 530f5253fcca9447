/// Identifies one claim: the stage, and its fence at that claim.
public struct ClaimID: Hashable, Sendable, Codable {
    public let job: JobID
    /// 0 for the first stage.
    public let stageIndex: Int
    public let fence: Fence

    public init(job: JobID, stageIndex: Int, fence: Fence) {
        self.job = job
        self.stageIndex = stageIndex
        self.fence = fence
    }
}

/// The point from which an interrupted attempt resumes.
public struct Checkpoint: Hashable, Sendable, Codable {
    /// The last stored progress of the stage.
    public let progress: Progress
    /// ``StageReport/checkpoint`` of the newest report that had one.
    public let data: JSONValue?

    /// The checkpoint of an attempt that begins.
    public static let none = Checkpoint(progress: .none)

    public init(progress: Progress, data: JSONValue? = nil) {
        self.progress = progress
        self.data = data
    }
}

/// A stage that a holder has claimed. Every write about the stage names the claim, and has an
/// effect only while the claim is valid.
public struct Claim: Hashable, Sendable, Codable {
    public let id: ClaimID
    public let holder: HolderID
    public let stage: Stage
    /// 1 for the first attempt.
    public let attempt: Int
    /// The last checkpoint, if this claim resumes an interrupted attempt; otherwise
    /// ``Checkpoint/none``.
    public let checkpoint: Checkpoint
    public let input: JSONValue
    /// The outputs of the earlier stages of the job. A stage without output is missing.
    public let outputs: [StageName: JSONValue]
    /// The content of the input fields of the type `file`.
    public let files: [String: InputFile]
    /// The artifacts of the job: those of its earlier stages, and those that this stage has
    /// registered before.
    public let artifacts: [ArtifactRecord]
    public let simulation: Simulation?
    /// What a runner may need to know about the job besides its work.
    public let context: JobContext

    public init(
        id: ClaimID, holder: HolderID, stage: Stage, attempt: Int, checkpoint: Checkpoint, input: JSONValue,
        outputs: [StageName: JSONValue] = [:], files: [String: InputFile] = [:], artifacts: [ArtifactRecord] = [],
        simulation: Simulation?, context: JobContext = JobContext()
    ) {
        self.id = id
        self.holder = holder
        self.stage = stage
        self.attempt = attempt
        self.checkpoint = checkpoint
        self.input = input
        self.outputs = outputs
        self.files = files
        self.artifacts = artifacts
        self.simulation = simulation
        self.context = context
    }

    public var job: JobID { id.job }
    public var stageIndex: Int { id.stageIndex }
}

/// The parts of a job that its runners pass on and do not interpret.
public struct JobContext: Hashable, Sendable, Codable {
    public let tenant: TenantName
    public let pipeline: PipelineName?
    /// The number of stages of the pipeline.
    public let stageCount: Int
    public let metadata: [String: String]

    public init(
        tenant: TenantName = .anonymous, pipeline: PipelineName? = nil, stageCount: Int = 1,
        metadata: [String: String] = [:]
    ) {
        self.tenant = tenant
        self.pipeline = pipeline
        self.stageCount = stageCount
        self.metadata = metadata
    }

    enum CodingKeys: String, CodingKey {
        case tenant, pipeline, metadata
        case stageCount = "stage_count"
    }
}

extension Claim {
    /// The claim that a plan made.
    /// - Parameter facts: the job after ``LedgerPlan/claim(by:on:at:)``.
    package init(
        _ facts: JobFacts, holder: HolderID, checkpointData: JSONValue?, input: JSONValue,
        outputs: [StageName: JSONValue], files: [String: InputFile] = [:], artifacts: [ArtifactRecord] = [],
        simulation: Simulation?, metadata: [String: String] = [:]
    ) {
        self.init(
            id: ClaimID(job: facts.id, stageIndex: facts.life.stageIndex, fence: facts.fence), holder: holder,
            stage: facts.stage, attempt: facts.life.attempt,
            checkpoint: Checkpoint(progress: facts.life.stageProgress, data: checkpointData), input: input,
            outputs: outputs, files: files, artifacts: artifacts, simulation: simulation,
            context: JobContext(
                tenant: facts.tenant, pipeline: facts.pipeline.name, stageCount: facts.pipeline.stages.count,
                metadata: metadata))
    }
}

/// The result of a call that claims stages.
public struct ClaimResult: Hashable, Sendable {
    public var claims: [Claim]
    /// When the next retry on this queue is due, on the steady clock; `nil` if no stage waits for a
    /// retry.
    public var nextDue: Timestamp?

    public init(claims: [Claim], nextDue: Timestamp?) {
        self.claims = claims
        self.nextDue = nextDue
    }
}

/// The answer to a report.
public enum ReportAnswer: Hashable, Sendable {
    /// The report is durable.
    case goOn
    /// The job is to be canceled: stop the work, then finish the claim. The report was not stored.
    case canceling
    /// The claim is no longer valid: stop the work, and write nothing. The report was not stored.
    case lost
}

/// The answer to the renewal of a lease.
public enum LeaseAnswer: Hashable, Sendable {
    /// The lease is renewed, and all claims of the holder stay valid.
    case held
    /// The holder was declared gone. Its claims are lost.
    case gone
}

/// How a claim ends.
public enum StageOutcome: Hashable, Sendable {
    /// - Parameter artifacts: the results of the stage, which become visible with its success.
    case succeeded(output: JSONValue?, artifacts: [Artifact] = [])
    /// The attempt failed. The next one may begin after `delay`.
    case retry(error: JobError, delay: Duration)
    case failed(JobError)
    /// The holder stops, or the job is to be canceled. The stage returns to its queue, or the job
    /// ends.
    case interrupted(InterruptionReason)

    /// The command for the plan of this outcome.
    public var command: JobCommand {
        switch self {
        case .succeeded(let output, let artifacts): .succeed(output: output, artifacts: artifacts)
        case .retry(let error, let delay): .retry(error: error, delay: delay)
        case .failed(let error): .fail(error)
        case .interrupted(let reason): .interrupt(reason)
        }
    }
}
