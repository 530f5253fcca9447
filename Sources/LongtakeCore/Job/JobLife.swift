/// What decides a job's next step: the fold of its log, without the texts that no decision needs.
///
/// ``JobStateMachine`` holds the table of what may follow. The journal loads this value, asks, and writes what comes back.
public struct JobLife: Hashable, Sendable {
    public var phase: Phase
    /// The current stage, 0 for the first. It stays on the stage where a job ended.
    public var stageIndex: Int
    /// The attempt of the current stage, 1 for the first; 0 before its first claim.
    public var attempt: Int
    /// How far the current stage has come; where a claim goes on from.
    public var stageProgress: Progress
    /// Of the whole job, as last told.
    public var progress: Progress
    /// When the current attempt began; the wait before the first claim does not count.
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

    /// The state of the job together with that of its current stage: one of ten, and each pair of a phase and a command has one answer.
    public enum Phase: Hashable, Sendable {
        /// Submitted; its first stage was never claimed.
        case queued
        /// Its next stage waits for its first claim.
        case waiting
        /// Its current stage failed and waits for the next attempt.
        case retrying
        /// Its current stage was running when the daemon stopped, and waits to be taken up again.
        case suspended(ResumptionReason)
        /// A worker has its current stage.
        case executing
        /// A worker has its current stage and is to give it up.
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
