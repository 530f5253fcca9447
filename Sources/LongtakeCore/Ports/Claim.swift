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
    public let simulation: Simulation?

    public init(
        id: ClaimID, holder: HolderID, stage: Stage, attempt: Int, checkpoint: Checkpoint, input: JSONValue,
        outputs: [StageName: JSONValue] = [:], simulation: Simulation?
    ) {
        self.id = id
        self.holder = holder
        self.stage = stage
        self.attempt = attempt
        self.checkpoint = checkpoint
        self.input = input
        self.outputs = outputs
        self.simulation = simulation
    }

    public var job: JobID { id.job }
    public var stageIndex: Int { id.stageIndex }
}

extension Claim {
    /// The claim that a plan made.
    /// - Parameter facts: the job after ``LedgerPlan/claim(by:on:at:)``.
    package init(
        _ facts: JobFacts, holder: HolderID, checkpointData: JSONValue?, input: JSONValue,
        outputs: [StageName: JSONValue], simulation: Simulation?
    ) {
        self.init(
            id: ClaimID(job: facts.id, stageIndex: facts.life.stageIndex, fence: facts.fence), holder: holder,
            stage: facts.stage, attempt: facts.life.attempt,
            checkpoint: Checkpoint(progress: facts.life.stageProgress, data: checkpointData), input: input,
            outputs: outputs, simulation: simulation)
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
    case succeeded(output: JSONValue?)
    /// The attempt failed. The next one may begin after `delay`.
    case retry(error: JobError, delay: Duration)
    case failed(JobError)
    /// The holder stops, or the job is to be canceled. The stage returns to its queue, or the job
    /// ends.
    case interrupted(InterruptionReason)

    /// The command for the plan of this outcome.
    public var command: JobCommand {
        switch self {
        case .succeeded(let output): .succeed(output: output)
        case .retry(let error, let delay): .retry(error: error, delay: delay)
        case .failed(let error): .fail(error)
        case .interrupted(let reason): .interrupt(reason)
        }
    }
}
