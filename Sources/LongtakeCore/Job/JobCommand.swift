/// What may be asked of a job. Whether it is granted, and what follows, ``JobStateMachine`` says.
public enum JobCommand: Hashable, Sendable {
    /// A worker takes the current stage.
    case claim
    /// The worker tells how far it is.
    case report(StageReport)
    /// The stage ended well. The output of the last stage is the job's.
    case succeed(output: JSONValue?)
    /// The attempt failed and another follows after `delay`.
    case retry(error: JobError, delay: Duration)
    /// The attempt failed and there is no other.
    case fail(JobError)
    /// The worker gives the stage back because the daemon stops, or because it was told to cancel.
    case interrupt(InterruptionReason)
    /// A new boot finds the stage in the hands of a worker that is gone.
    case recover
    /// Somebody wants the job to end.
    case cancel
}

/// Why a command is not granted. Nothing is written.
public enum JobRefusal: String, Error, Hashable, Sendable {
    /// The job is over.
    case final
    /// No worker has the stage, so none can report on it or end it.
    case notExecuting = "not_executing"
    /// A worker has the stage already.
    case alreadyClaimed = "already_claimed"
    /// The stage is to be given up; a report comes too late.
    case canceling
    /// Only what is over can be deleted.
    case notFinal = "not_final"
    /// Only what has failed or was canceled is done again.
    case notRetryable = "not_retryable"
}

/// How far a stage is, told by its runner.
public struct StageReport: Hashable, Sendable {
    /// Of the stage. It never goes back: a smaller value than the last one counts as the last one.
    public let progress: Progress
    /// For people, such as `frame 101 of 192`; at most ``Limits/reportMessageBytes``.
    public let message: String
    /// What the runner wants to find again if another claim goes on with this attempt, besides the
    /// progress: opaque JSON, at most ``Limits/checkpointBytes``. Only the newest is kept, and no event
    /// shows it. `nil` keeps the one before.
    public let checkpoint: JSONValue?

    public init(progress: Progress, message: String, checkpoint: JSONValue? = nil) {
        self.progress = progress
        self.message = message
        self.checkpoint = checkpoint
    }
}
