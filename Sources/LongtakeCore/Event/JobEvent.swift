/// One change of a job, before it has a number and a time.
///
/// Its values are absolute, and every event carries the progress of the whole job, so one event alone is enough to draw a
/// progress bar.
public struct JobEvent: Hashable, Sendable {
    /// Of the whole job, after this change.
    public let progress: Progress
    public let change: Change

    public init(progress: Progress, change: Change) {
        self.progress = progress
        self.change = change
    }

    /// What happened, with the values that its event shows.
    public enum Change: Hashable, Sendable {
        case queued(pipeline: PipelineName, stages: [StageName], priority: Priority)
        case started(stage: StageName)
        case stageStarted(StagePlace, attempt: Int, queue: QueueName)
        case stageProgress(StagePlace, progress: Progress, message: String)
        case stageSucceeded(StagePlace, seconds: Double)
        /// `attempt` is the next one, which begins after `delay`.
        case stageRetrying(stage: StageName, attempt: Int, delay: Duration, error: JobError)
        case interrupted(reason: InterruptionReason, stage: StageName)
        case resumed(reason: ResumptionReason, stage: StageName, progress: Progress)
        case cancelRequested(stage: StageName)
        case succeeded(output: JSONValue, seconds: Double)
        case failed(JobError)
        case canceled
    }
}

/// A stage by name and place in its pipeline.
public struct StagePlace: Hashable, Sendable {
    public let stage: StageName
    /// 1 for the first stage.
    public let index: Int
    /// How many stages the pipeline has.
    public let of: Int

    public init(stage: StageName, index: Int, of: Int) {
        self.stage = stage
        self.index = index
        self.of = of
    }
}

/// Why a stage was given back before its end.
public enum InterruptionReason: String, Hashable, Sendable {
    /// The daemon was told to stop.
    case shutdown
}

/// What a stage that is taken up again was put down by.
public enum ResumptionReason: String, Hashable, Sendable {
    /// After an orderly stop.
    case restart
    /// After anything else: the daemon died with the stage in its hands.
    case crash
}

/// The type of an event, as it is written on the wire and in the database.
public enum EventType: String, Hashable, Sendable, CaseIterable {
    case jobQueued = "job.queued"
    case jobStarted = "job.started"
    case stageStarted = "stage.started"
    case stageProgress = "stage.progress"
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
