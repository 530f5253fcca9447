/// What the estimator needs to know about a job.
public struct JobOutlook: Hashable, Sendable {
    public let pipeline: Pipeline
    /// The index of the current stage.
    public let stageIndex: Int
    public let standing: Standing
    /// ``Job/progress``: 0 to 1.
    public let progress: Double
    /// Whether the job has a speed of its own, so that no finished run is like it.
    public let isSpedUp: Bool
    /// Whether a person must act before the job goes on.
    public let waitsForPerson: Bool

    /// Where the current stage stands.
    public enum Standing: Hashable, Sendable {
        /// It waits for a worker.
        /// - Parameters:
        ///   - claimsBefore: ``Job/queuePosition``.
        ///   - isFirst: whether no stage of the job was claimed yet.
        ///   - progress: where it resumes; 0 for a stage that begins.
        case ready(claimsBefore: Int, isFirst: Bool, progress: Double = 0)
        /// It waits for its next attempt, so long and then for a worker.
        case delayed(seconds: Double)
        /// A worker has it.
        /// - Parameter elapsed: seconds since this claim.
        case executing(elapsed: Double)
        /// The job is to be canceled, or has ended.
        case over
    }

    public init(
        pipeline: Pipeline, stageIndex: Int, standing: Standing, progress: Double, isSpedUp: Bool = false,
        waitsForPerson: Bool = false
    ) {
        self.pipeline = pipeline
        self.stageIndex = stageIndex
        self.standing = standing
        self.progress = progress
        self.isSpedUp = isSpedUp
        self.waitsForPerson = waitsForPerson
    }

    var phase: EstimatePhase {
        if case .ready(_, true, _) = standing { return .queued }
        return progress < 0.5 ? .running : .runningSecondHalf
    }
}

/// The phase of a job, as far as the accuracy of its estimate depends on it.
public enum EstimatePhase: String, Hashable, Sendable, Codable, CaseIterable {
    /// No stage was claimed yet.
    case queued
    /// The first stage was claimed, and the progress is below 50 %.
    case running
    /// The progress is 50 % or more.
    case runningSecondHalf = "running_second_half"
}

/// The state of a queue, as far as the waiting of one job depends on it.
public struct QueueLoad: Hashable, Sendable {
    /// How many stages can run at once; `nil` for a queue of workers elsewhere.
    public var workers: Int?
    /// How many stages are claimed.
    public var running: Int
    /// How many of the stages that can be claimed now would be claimed before a stage of the job.
    /// All that wait is a good substitute: docs/eta.md has been measured with it.
    public var waiting: Int
    public var isPaused: Bool

    public init(workers: Int?, running: Int = 0, waiting: Int = 0, isPaused: Bool = false) {
        self.workers = workers
        self.running = running
        self.waiting = waiting
        self.isPaused = isPaused
    }

    /// Workers elsewhere come and go. While stages wait, all of them are busy.
    var width: Int { max(1, workers ?? running) }

    /// The workers that could take a stage now.
    var free: Int { max(0, width - running) }

    /// The turns (``QueueHistory``) of a stage that has so many claims before it.
    public func turns(claimsBefore: Int) -> Int {
        running + claimsBefore < width ? 0 : claimsBefore + 1 - free
    }
}
