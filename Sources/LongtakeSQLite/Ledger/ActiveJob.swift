import LongtakeCore

/// A job as the writer needs it for its next decision. What is told to clients stays in the database.
struct ActiveJob {
    let key: Int64
    let id: JobID
    let tenant: TenantName
    let priority: Priority
    let pipeline: Pipeline
    var life: JobLife
    /// The last event of its log.
    var head: Int64
    /// The `at` of that event. No later one is told as earlier, whatever the wall clock says.
    var lastAt: Timestamp
    var token: Int64?
    /// On the steady clock.
    var dueAt: Timestamp?

    var machine: JobStateMachine { JobStateMachine(pipeline: pipeline) }
    var stage: Stage { pipeline.stages[life.stageIndex] }
    /// Whether a claim could take it now.
    var isReady: Bool { life.stageState == .queued && dueAt == nil }
}

extension JobLife.Phase {
    /// As it is stored; why a stage was suspended is the stage's `mark`.
    var column: String {
        switch self {
        case .queued: "queued"
        case .waiting: "waiting"
        case .retrying: "retrying"
        case .suspended: "suspended"
        case .executing: "executing"
        case .canceling: "canceling"
        case .succeeded: "succeeded"
        case .failed: "failed"
        case .canceled: "canceled"
        }
    }

    var mark: String? {
        guard case .suspended(let reason) = self else { return nil }
        return reason.rawValue
    }

    init(column: String, mark: String?) throws {
        switch column {
        case "queued": self = .queued
        case "waiting": self = .waiting
        case "retrying": self = .retrying
        case "suspended": self = .suspended(mark.flatMap(ResumptionReason.init) ?? .crash)
        case "executing": self = .executing
        case "canceling": self = .canceling
        case "succeeded": self = .succeeded
        case "failed": self = .failed
        case "canceled": self = .canceled
        default: throw UnreadableRow("job.phase “\(column)”")
        }
    }
}

/// A row that this program cannot have written.
struct UnreadableRow: Error, CustomStringConvertible {
    let description: String

    init(_ what: String) { description = "the database holds what this program never writes: \(what)" }
}
