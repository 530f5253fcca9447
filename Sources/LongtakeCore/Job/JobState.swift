/// Where a job is in its life. The last three are final and never change again.
public enum JobState: String, Hashable, Sendable, Codable, CaseIterable {
    case queued, running, succeeded, failed, canceled

    public var isFinal: Bool { self != .queued && self != .running }

    /// Whether the job can be done again as a new one.
    public var isRetryable: Bool { self == .failed || self == .canceled }
}

/// Where one stage of a job is.
public enum StageState: String, Hashable, Sendable, Codable, CaseIterable {
    case pending, queued, running, succeeded, failed, canceled
}
