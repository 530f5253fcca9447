/// The position of the event that a claim wrote. A write of a worker names it, and changes something only while the stage still has it.
public struct ClaimToken: Hashable, Sendable {
    public let position: EventPosition

    public init(_ position: EventPosition) { self.position = position }
}

/// A stage in the hands of a worker.
public struct Claim: Hashable, Sendable {
    public let token: ClaimToken
    public let job: JobID
    public let stage: Stage
    /// 0 for the first stage.
    public let stageIndex: Int
    /// 1 for the first attempt.
    public let attempt: Int
    /// Where to go on from: what was journaled last, when this claim takes up a stage that was interrupted; otherwise none.
    public let checkpoint: Progress
    public let input: JSONValue
    public let simulation: Simulation?

    public init(
        token: ClaimToken, job: JobID, stage: Stage, stageIndex: Int, attempt: Int, checkpoint: Progress,
        input: JSONValue,
        simulation: Simulation?
    ) {
        self.token = token
        self.job = job
        self.stage = stage
        self.stageIndex = stageIndex
        self.attempt = attempt
        self.checkpoint = checkpoint
        self.input = input
        self.simulation = simulation
    }
}

/// What a call for work got.
public struct ClaimResult: Hashable, Sendable {
    public var claims: [Claim]
    /// When the earliest stage that waits for its next attempt on this queue can be claimed; `nil` where none waits so.
    public var nextDue: Timestamp?

    public init(claims: [Claim], nextDue: Timestamp?) {
        self.claims = claims
        self.nextDue = nextDue
    }
}

/// How a worker gives a stage back.
public enum StageOutcome: Hashable, Sendable {
    case succeeded(output: JSONValue?)
    /// The attempt failed; the next one may begin after `delay`.
    case retry(error: JobError, delay: Duration)
    case failed(JobError)
    /// The daemon stops, or the job was canceled: the stage is put back, or the job ends.
    case interrupted(InterruptionReason)

    package var command: JobCommand {
        switch self {
        case .succeeded(let output): .succeed(output: output)
        case .retry(let error, let delay): .retry(error: error, delay: delay)
        case .failed(let error): .fail(error)
        case .interrupted(let reason): .interrupt(reason)
        }
    }
}
