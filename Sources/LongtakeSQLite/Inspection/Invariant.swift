/// What holds in every sound database, whatever happened to the process and the disk before.
public enum Invariant: String, Hashable, Sendable, CaseIterable, Encodable {
    /// SQLite's own structures: `PRAGMA integrity_check`.
    case integrity
    /// `PRAGMA foreign_key_check`.
    case foreignKeys = "foreign_keys"
    /// The events of a job are numbered 1, 2, 3 … without a gap, and each is one that this program writes.
    case wholeLog = "whole_log"
    /// Each event is one that may follow the one before it.
    case order
    /// A job has a final event exactly when it is final; it is the last, and says the same.
    case oneEnd = "one_end"
    /// `finished_at` is set exactly in a final job. It is the steady time from which retention counts, and not the `at` of the final event.
    case finishedAt = "finished_at"
    /// A job's row says what its log says: state, stage, start.
    case jobIsFold = "job_is_fold"
    /// A job has one stage row for each stage up to the current one, all but the current one succeeded.
    case stageRows = "stage_rows"
    /// A stage has a holder exactly while it runs, and its fence is not larger than the number of its claims.
    case fence
    /// No stage starts again after it has succeeded, and none while it runs.
    case stageOnce = "stage_once"
    /// A job's progress never decreases, and is 1 only in success.
    case progress
    /// What is stored of a job as JSON can be read as JSON.
    case readable
    /// `share.waiting` is the number of stages that can be claimed.
    case waitingCount = "waiting_count"
    /// An idempotency key names a job of its own tenant.
    case idempotencyKey = "idempotency_key"
    /// No position and no key of a job is above the highest that was given out.
    case positions
    /// The database has an epoch and has counted its boots.
    case meta

    /// The invariant in a sentence.
    public var sentence: String {
        switch self {
        case .integrity: "the file is one that SQLite could have written"
        case .foreignKeys: "every row belongs to a job"
        case .wholeLog: "the events of a job are numbered 1, 2, 3 … without a gap"
        case .order: "each event may follow the one before it"
        case .oneEnd: "exactly one final event, the last one, exactly in a final job"
        case .finishedAt: "a job has a finish exactly when it is final"
        case .jobIsFold: "a job's row says what its log says"
        case .stageRows: "a row for each stage up to the current one"
        case .fence: "a holder exactly in a stage that runs, and a fence that counts its claims"
        case .stageOnce: "no stage starts again after it has succeeded"
        case .progress: "progress never decreases, and is 1 only in success"
        case .readable: "what is stored of a job can be read"
        case .waitingCount: "the stages that wait are counted right"
        case .idempotencyKey: "an idempotency key names a job of its tenant"
        case .positions: "no number is above the highest given out"
        case .meta: "the database knows its epoch and its boots"
        }
    }

    /// What an operator can do where it is broken.
    public var remedy: String {
        switch self {
        case .integrity:
            "The file is damaged: look after the disk, keep a copy of the directory, and restore a backup (longtake restore)."
        case .readable:
            "The daemon sets such a job aside when it comes to it: the job fails with the code unreadable, and all others go on. Look after the disk."
        case .waitingCount:
            "Jobs may wait without being claimed: keep a copy of the directory, and restore a backup or cancel and resubmit them."
        default:
            "Either another program wrote to the database or this one has a mistake: keep a copy of the directory, report it, and restore a backup (longtake restore)."
        }
    }
}

/// One place where an invariant is broken.
public struct Violation: Hashable, Sendable, Encodable {
    public let invariant: Invariant
    /// The job's id; `nil` where it is about no single job.
    public let job: String?
    /// What was found there.
    public let detail: String

    init(_ invariant: Invariant, job: String? = nil, _ detail: String) {
        self.invariant = invariant
        self.job = job
        self.detail = detail
    }
}
