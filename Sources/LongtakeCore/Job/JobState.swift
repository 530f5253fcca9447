/// Where a job is in its life. The last three are final and never change again.
public enum JobState: String, Hashable, Sendable, Codable, CaseIterable {
    case queued, running, succeeded, failed, canceled

    public var isFinal: Bool { self != .queued && self != .running }
}

/// Where one stage of a job is.
public enum StageState: String, Hashable, Sendable, Codable, CaseIterable {
    case pending, queued, running, succeeded, failed, canceled
}
