/// The state of a job that clients see. The last three are final: they never change.
public enum JobState: String, Hashable, Sendable, Codable, CaseIterable {
    case queued, running, succeeded, failed, canceled

    public var isFinal: Bool { self != .queued && self != .running }

    /// Whether a client may retry the job as a new job.
    public var isRetryable: Bool { self == .failed || self == .canceled }
}

/// The state of a stage that clients see.
public enum StageState: String, Hashable, Sendable, Codable, CaseIterable {
    case pending, queued, running, succeeded, failed, canceled
}
