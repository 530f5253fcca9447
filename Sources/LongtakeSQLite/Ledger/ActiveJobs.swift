import GRDB
import LongtakeCore

/// The writer's cache of jobs that are not final. Its size is limited.
///
/// If it is full, a new job replaces one that was not used lately (“second chance”, also called the
/// clock algorithm). A hand goes round the slots, spares each job that was used since its last
/// visit, and evicts the first that was not.
struct ActiveJobs {
    private struct Slot {
        var job: ActiveJob
        var isUsed: Bool
    }

    private var places: [JobID: Int] = [:]
    private var slots: [Slot?] = []
    private var free: [Int] = []
    private var hand = 0
    private let most: Int

    /// - Parameter most: the size of the cache. A job with its pipeline takes a few kilobytes.
    init(most: Int = 16_384) { self.most = most }

    var count: Int { places.count }

    func contains(_ id: JobID) -> Bool { places[id] != nil }

    /// `nil` if the job is not in the cache. It may still be in the database.
    mutating func find(_ id: JobID) -> ActiveJob? {
        guard let place = places[id] else { return nil }
        slots[place]?.isUsed = true
        return slots[place]?.job
    }

    mutating func keep(_ job: ActiveJob) {
        if let place = places[job.id] {
            slots[place]?.job = job
            return
        }
        // A new job is not marked as used. Otherwise thousands of submissions that wait for a long
        // time would evict the jobs that run.
        let slot = Slot(job: job, isUsed: false)
        let place: Int
        if let empty = free.popLast() {
            place = empty
            slots[place] = slot
        } else if slots.count < most {
            place = slots.count
            slots.append(slot)
        } else {
            place = evict()
            slots[place] = slot
        }
        places[job.id] = place
    }

    mutating func remove(_ id: JobID) {
        guard let place = places.removeValue(forKey: id) else { return }
        slots[place] = nil
        free.append(place)
    }

    mutating func removeAll() {
        places.removeAll(keepingCapacity: true)
        slots.removeAll(keepingCapacity: true)
        free.removeAll(keepingCapacity: true)
        hand = 0
    }

    /// Called if every slot is taken. It ends after at most two rounds, because the first clears
    /// every mark.
    /// - Returns: the slot that is free now.
    private mutating func evict() -> Int {
        while true {
            let place = hand
            hand = (hand + 1) % slots.count
            guard let slot = slots[place] else { continue }
            if slot.isUsed {
                slots[place]?.isUsed = false
            } else {
                places[slot.job.id] = nil
                return place
            }
        }
    }
}

/// The present facts of a job, with the key of its row. Values that only clients see stay in the
/// database.
struct ActiveJob {
    let key: Int64
    var facts: JobFacts

    var id: JobID { facts.id }
}

extension JobLife.Phase {
    /// The stored name. The reason of a suspension is in the stage's `mark`.
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
