/// One change of a job, before the store gives it a number and a time.
///
/// Its values are absolute, and every event contains the progress of the whole job. So a client can
/// draw a progress bar from a single event.
public struct JobEvent: Hashable, Sendable {
    /// The progress of the whole job after this change.
    public let progress: Progress
    public let change: Change

    public init(progress: Progress, change: Change) {
        self.progress = progress
        self.change = change
    }

    /// What happened, with the values that the event shows.
    public enum Change: Hashable, Sendable {
        case queued(pipeline: PipelineName, stages: [StageName], priority: Priority)
        case started(stage: StageName)
        case stageStarted(StageNumber, attempt: Int, queue: QueueName)
        case stageProgress(StageNumber, progress: Progress, message: String)
        case artifactCreated(Artifact, stage: StageName)
        case stageSucceeded(StageNumber, seconds: Double)
        /// `attempt` is the number of the next attempt, which begins after `delay`.
        case stageRetrying(stage: StageName, attempt: Int, delay: Duration, error: JobError)
        case interrupted(reason: InterruptionReason, stage: StageName)
        case resumed(reason: ResumptionReason, stage: StageName, progress: Progress)
        case cancelRequested(stage: StageName)
        case succeeded(output: JSONValue, seconds: Double)
        case failed(JobError)
        case canceled
    }
}

/// The name and the number of a stage, as in “stage 2 of 5”.
public struct StageNumber: Hashable, Sendable {
    public let stage: StageName
    /// 1 for the first stage.
    public let index: Int
    /// The number of stages of the pipeline.
    public let of: Int

    public init(stage: StageName, index: Int, of: Int) {
        self.stage = stage
        self.index = index
        self.of = of
    }
}

/// Why a worker gave back its stage before the stage ended.
public enum InterruptionReason: String, Hashable, Sendable {
    /// The daemon shuts down.
    case shutdown
    /// The disk is full, so the worker cannot store what the stage makes.
    case disk
}

extension InterruptionReason {
    /// The reason of the event with which the stage resumes.
    var resumption: ResumptionReason {
        switch self {
        // The schema of the database has no further reason.
        case .shutdown, .disk: .restart
        }
    }
}

/// Why a stage that now resumes was interrupted.
public enum ResumptionReason: String, Hashable, Sendable {
    /// The daemon shut down gracefully, or its disk was full.
    case restart
    /// The daemon died while the stage ran.
    case crash
}

/// The type of an event. The raw value is in its JSON and in the database, so it never changes.
public enum EventType: String, Hashable, Sendable, CaseIterable {
    case jobQueued = "job.queued"
    case jobStarted = "job.started"
    case stageStarted = "stage.started"
    case stageProgress = "stage.progress"
    case artifactCreated = "artifact.created"
    case stageSucceeded = "stage.succeeded"
    case stageRetrying = "stage.retrying"
    case jobInterrupted = "job.interrupted"
    case jobResumed = "job.resumed"
    case jobCancelRequested = "job.cancel_requested"
    case jobSucceeded = "job.succeeded"
    case jobFailed = "job.failed"
    case jobCanceled = "job.canceled"

    /// Whether this is the last event of its job's log.
    public var isFinal: Bool {
        switch self {
        case .jobSucceeded, .jobFailed, .jobCanceled: true
        default: false
        }
    }
}

extension JobEvent {
    public var type: EventType {
        switch change {
        case .queued: .jobQueued
        case .started: .jobStarted
        case .stageStarted: .stageStarted
        case .stageProgress: .stageProgress
        case .artifactCreated: .artifactCreated
        case .stageSucceeded: .stageSucceeded
        case .stageRetrying: .stageRetrying
        case .interrupted: .jobInterrupted
        case .resumed: .jobResumed
        case .cancelRequested: .jobCancelRequested
        case .succeeded: .jobSucceeded
        case .failed: .jobFailed
        case .canceled: .jobCanceled
        }
    }
}
