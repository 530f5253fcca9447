/// A request to change a job. ``JobStateMachine`` decides whether it is granted and what follows.
public enum JobCommand: Hashable, Sendable {
    /// A worker takes the current stage.
    case claim
    /// The worker reports its progress.
    case report(StageReport)
    /// The worker has made an artifact that is visible before the stage ends.
    case register(Artifact)
    /// The stage succeeded. The output of the last stage is the output of the job.
    case succeed(output: JSONValue?, artifacts: [Artifact] = [])
    /// The attempt failed, and the next attempt follows after `delay`.
    case retry(error: JobError, delay: Duration)
    /// The attempt failed, and there is no further attempt.
    case fail(JobError)
    /// The worker gives back the stage, because the daemon shuts down or the job is to be canceled.
    case interrupt(InterruptionReason)
    /// The holder of the stage is gone, so the stage returns to its queue.
    case recover
    /// A client cancels the job.
    case cancel
}

/// Why a command is refused. A refusal writes nothing.
public enum JobRefusal: String, Error, Hashable, Sendable {
    /// The job has ended.
    case final
    /// No worker has the stage, so no worker may report on it or end it.
    case notExecuting = "not_executing"
    /// A worker has the stage already.
    case alreadyClaimed = "already_claimed"
    /// The job is to be canceled, so the report comes too late.
    case canceling
    /// The job has not ended, so it cannot be deleted.
    case notFinal = "not_final"
    /// The job has neither failed nor been canceled, so it cannot be retried.
    case notRetryable = "not_retryable"
    /// A kept job refers to the file, so it cannot be deleted.
    case fileInUse = "file_in_use"
    /// Another stage of the job has made an artifact with this name.
    case artifactNameTaken = "artifact_name_taken"
}

/// A runner's report on the progress of its stage.
public struct StageReport: Hashable, Sendable {
    /// The progress of the stage. If it is smaller than the last one, the last one stays.
    public let progress: Progress
    /// A text for people, such as `frame 101 of 192`, of at most ``Limits/reportMessageBytes``.
    public let message: String
    /// Opaque JSON of at most ``Limits/checkpointBytes``. If another claim resumes this attempt,
    /// its runner gets the newest checkpoint. No event shows it. `nil` keeps the previous
    /// checkpoint.
    public let checkpoint: JSONValue?
    /// Whether only the checkpoint is stored, without an event.
    public let isCheckpointOnly: Bool

    public init(progress: Progress, message: String, checkpoint: JSONValue? = nil) {
        self.progress = progress
        self.message = message
        self.checkpoint = checkpoint
        isCheckpointOnly = false
    }

    /// A checkpoint that is stored alone. The progress stays as it is, and no event is written.
    public init(checkpointOnly checkpoint: JSONValue) {
        progress = .none
        message = ""
        self.checkpoint = checkpoint
        isCheckpointOnly = true
    }
}
