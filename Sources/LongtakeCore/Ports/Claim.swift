/// Names one claim among all that ever were: the stage, and its fence at that claim.
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

/// Where a stage that was interrupted goes on from.
public struct Checkpoint: Hashable, Sendable, Codable {
    /// The last progress that was written.
    public let progress: Progress
    /// ``StageReport/checkpoint`` of the newest report that had one.
    public let data: JSONValue?

    /// Of an attempt that begins.
    public static let none = Checkpoint(progress: .none)

    public init(progress: Progress, data: JSONValue? = nil) {
        self.progress = progress
        self.data = data
    }
}

/// A stage in the hands of a holder. Every write about it names the claim, and changes something only
/// while the claim holds.
public struct Claim: Hashable, Sendable, Codable {
    public let id: ClaimID
    public let holder: HolderID
    public let stage: Stage
    /// 1 for the first attempt.
    public let attempt: Int
    /// What was written last, if this claim takes up an attempt that was interrupted; otherwise none.
    public let checkpoint: Checkpoint
    public let input: JSONValue
    /// What the earlier stages of the job gave back, without those that gave nothing.
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

/// What a claim of some stages got.
public struct ClaimResult: Hashable, Sendable {
    public var claims: [Claim]
    /// When the earliest stage that waits for its next attempt on this queue can be claimed, on the store's
    /// steady clock; `nil` if none waits so.
    public var nextDue: Timestamp?

    public init(claims: [Claim], nextDue: Timestamp?) {
        self.claims = claims
        self.nextDue = nextDue
    }
}

/// What the holder of a claim is told when it reports.
public enum ReportAnswer: Hashable, Sendable {
    /// The report is durable.
    case goOn
    /// Somebody wants the job to end: stop the work, then finish the claim. Nothing was written.
    case canceling
    /// The claim does not hold any more: stop the work, and write nothing. Nothing was written.
    case lost
}

/// What a holder is told when it renews its lease.
public enum LeaseAnswer: Hashable, Sendable {
    /// The lease is renewed, and with it all claims of the holder.
    case held
    /// The holder was declared gone. Its claims are lost.
    case gone
}

/// How the holder of a claim gives the stage back.
public enum StageOutcome: Hashable, Sendable {
    case succeeded(output: JSONValue?)
    /// The attempt failed. The next one may begin after `delay`.
    case retry(error: JobError, delay: Duration)
    case failed(JobError)
    /// The holder stops, or the job is to be canceled: the stage goes back to its queue, or the job ends.
    case interrupted(InterruptionReason)

    /// The command that the plan is made from.
    public var command: JobCommand {
        switch self {
        case .succeeded(let output): .succeed(output: output)
        case .retry(let error, let delay): .retry(error: error, delay: delay)
        case .failed(let error): .fail(error)
        case .interrupted(let reason): .interrupt(reason)
        }
    }
}
