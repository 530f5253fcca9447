/// The state of a job, as far as decisions need it: the fold of its event log without texts.
///
/// ``JobStateMachine`` decides which command leads to which state.
public struct JobLife: Hashable, Sendable {
    public var phase: Phase
    /// The index of the current stage; 0 for the first one. If the job has ended, the stage that
    /// was last.
    public var stageIndex: Int
    /// The attempt of the current stage; 1 for the first one, 0 before its first claim.
    public var attempt: Int
    /// The progress of the current stage. A claim that resumes the attempt continues from here.
    public var stageProgress: Progress
    /// The progress of the whole job in its last event.
    public var progress: Progress
    /// When the current attempt began; `nil` before the first claim of the stage.
    public var stageStartedAt: ClockReading?
    public var startedAt: ClockReading?

    public init(
        phase: Phase, stageIndex: Int, attempt: Int, stageProgress: Progress, progress: Progress,
        stageStartedAt: ClockReading?,
        startedAt: ClockReading?
    ) {
        self.phase = phase
        self.stageIndex = stageIndex
        self.attempt = attempt
        self.stageProgress = stageProgress
        self.progress = progress
        self.stageStartedAt = stageStartedAt
        self.startedAt = startedAt
    }

    /// The state of the job together with the state of its current stage.
    public enum Phase: Hashable, Sendable {
        /// The first stage was never claimed.
        case queued
        /// A later stage waits for its first claim.
        case waiting
        /// An attempt of the current stage failed, and the stage waits for the next attempt.
        case retrying
        /// The current stage was interrupted and waits to be resumed.
        case suspended(ResumptionReason)
        /// A worker has the current stage.
        case executing
        /// A worker has the current stage and must give it back, because the job is to be canceled.
        case canceling
        case succeeded
        case failed
        case canceled
    }

    /// The state that clients see.
    public var state: JobState {
        switch phase {
        case .queued: .queued
        case .waiting, .retrying, .suspended, .executing, .canceling: .running
        case .succeeded: .succeeded
        case .failed: .failed
        case .canceled: .canceled
        }
    }

    /// The state of the current stage that clients see.
    public var stageState: StageState {
        switch phase {
        case .queued, .waiting, .retrying, .suspended: .queued
        case .executing, .canceling: .running
        case .succeeded: .succeeded
        case .failed: .failed
        case .canceled: .canceled
        }
    }

    public var cancelRequested: Bool { phase == .canceling || phase == .canceled }
}
