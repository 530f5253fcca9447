import GRDB
import LongtakeCore

/// A job as the writer decided it last, with the key of its row. What only clients are shown stays in the
/// database.
struct ActiveJob {
    let key: Int64
    var facts: JobFacts

    var id: JobID { facts.id }
}

extension JobLife.Phase {
    /// As it is stored. The reason of a suspension is the stage's `mark`.
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

    init(_ what: String) { description = "the database contains a value that this program never writes: \(what)" }
}
