/// A condition that holds in every sound database, whatever happened to the process and the disk.
public enum Invariant: String, Hashable, Sendable, CaseIterable, Encodable {
    /// SQLite's own structures: `PRAGMA integrity_check`.
    case integrity
    /// `PRAGMA foreign_key_check`.
    case foreignKeys = "foreign_keys"
    /// The events of a job are numbered 1, 2, 3 … without a gap, and each is one that this program
    /// writes.
    case wholeLog = "whole_log"
    /// Each event may follow the one before it.
    case order
    /// A job has a final event exactly if it is final. It is the last event and has the same state.
    case oneEnd = "one_end"
    /// `finished_at` is set exactly in a final job. It is the steady time from which retention
    /// counts, not the `at` of the final event.
    case finishedAt = "finished_at"
    /// A job's row agrees with its event log: state, stage, start.
    case jobIsFold = "job_is_fold"
    /// A job has one stage row for each stage up to the current one. All but the current one have
    /// succeeded.
    case stageRows = "stage_rows"
    /// A stage has a holder exactly while it runs, and its fence is not larger than the number of
    /// its claims.
    case fence
    /// No stage starts again after it has succeeded, and none while it runs.
    case stageOnce = "stage_once"
    /// A job's progress never decreases, and is 1 only if the job succeeded.
    case progress
    /// The JSON columns of a job contain valid JSON.
    case readable
    /// `share.waiting` is the number of claimable stages.
    case waitingCount = "waiting_count"
    /// An idempotency key refers to a job of its own tenant.
    case idempotencyKey = "idempotency_key"
    /// Each artifact belongs to the event that tells of it. Each event `artifact.created` has its
    /// artifact, unless a later event replaced it or it was an intermediate one.
    case artifacts
    /// Content belongs to the tenant of its job, and `file_total` is the sum of a tenant's files.
    case files
    /// No position and no job key is larger than the largest that was assigned.
    case positions
    /// The database has an epoch and the number of its boots.
    case meta

    /// The invariant as a sentence.
    public var sentence: String {
        switch self {
        case .integrity: "the file is one that SQLite could have written"
        case .foreignKeys: "every row belongs to a job"
        case .wholeLog: "the events of a job are numbered 1, 2, 3 … without a gap"
        case .order: "each event may follow the one before it"
        case .oneEnd: "a final job has exactly one final event, its last one; other jobs have none"
        case .finishedAt: "exactly the final jobs have a finish time"
        case .jobIsFold: "a job's row agrees with its event log"
        case .stageRows: "a job has a row for each stage up to the current one"
        case .fence: "exactly the running stages have a holder, and a fence counts the claims"
        case .stageOnce: "no stage starts again after it has succeeded"
        case .progress: "progress never decreases, and is 1 only if the job succeeded"
        case .readable: "the stored JSON of a job can be read"
        case .waitingCount: "the counters of waiting stages are correct"
        case .idempotencyKey: "an idempotency key refers to a job of its tenant"
        case .artifacts: "each artifact and its event agree"
        case .files: "files belong to the tenants of their jobs, and their sizes are counted"
        case .positions: "no number is larger than the highest assigned one"
        case .meta: "the database has an epoch and the number of its boots"
        }
    }

    /// What an operator can do if it is violated.
    public var remedy: String {
        switch self {
        case .integrity:
            "The file is damaged. Check the disk, keep a copy of the directory, and restore a backup (longtake restore)."
        case .readable:
            "When the daemon needs such a job, it sets it aside: the job fails with the code unreadable, and all others continue. Check the disk."
        case .waitingCount:
            "Jobs may wait without being claimed. Keep a copy of the directory. Then restore a backup, or cancel and resubmit the jobs."
        default:
            "Another program wrote to the database, or this program has a bug. Keep a copy of the directory, report the bug, and restore a backup (longtake restore)."
        }
    }
}

/// A place where an invariant is violated.
public struct Violation: Hashable, Sendable, Encodable {
    public let invariant: Invariant
    /// The job's id; `nil` if it concerns no single job.
    public let job: String?
    /// The details.
    public let detail: String

    init(_ invariant: Invariant, job: String? = nil, _ detail: String) {
        self.invariant = invariant
        self.job = job
        self.detail = detail
    }
}
