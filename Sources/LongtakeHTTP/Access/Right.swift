/// What a caller may do. None of them holds another: a key that may submit and read has both. But whoever changes a job is answered with it.
public enum Right: String, Hashable, Sendable, CaseIterable, Codable {
    /// See jobs, logs, pipelines and queues.
    case read
    /// Submit jobs, and cancel, retry and delete the tenant's; it is shown the jobs that it does that to, and may follow one that it submits.
    case submit
    /// What concerns the daemon as a whole and so every tenant: pausing queues, backups, metrics.
    case admin
}
