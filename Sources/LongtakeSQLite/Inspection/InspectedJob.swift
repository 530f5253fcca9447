import LongtakeCore

/// A job's row beside the fold of its log.
struct InspectedJob {
    let key: Int64
    private let id, tenant, state, phase: String
    private let stageIndex, priority: Int64
    private let hasStarted: Bool
    private let finishedAt: Int64?
    private var fold: LogFold
    /// What is wrong with it.
    private var violations: [Violation] = []

    /// Given to nobody: it is being removed, its first events first.
    private var isHidden: Bool { tenant.isEmpty }

    init(_ row: RawRow) {
        key = row.int64(0)
        id = row.text(1)
        tenant = row.text(2)
        state = row.text(3)
        phase = row.text(4)
        stageIndex = row.int64(5)
        priority = row.int64(6)
        hasStarted = row.bool(7)
        finishedAt = row.isNull(8) ? nil : row.int64(8)
        fold = LogFold(stages: Int(row.int64(9)), isCut: row.text(2).isEmpty)
    }

    mutating func add(_ event: LogFold.Event) {
        let id = id
        fold.add(event) { violations.append(Violation($0, job: id, $1)) }
    }

    /// Called when all of it was looked at. A job that was set aside is not sound and need not be: what could not be read is kept as it is.
    func tell(_ inspection: inout StorageInspection) {
        if fold.isSetAside, state == JobState.failed.rawValue {
            inspection.setAside.append(id)
        } else {
            for violation in violations { inspection.add(violation) }
        }
    }

    /// - Parameter unreadable: the columns of its row that should be JSON and are not.
    mutating func compareRow(unreadable: String) {
        if !unreadable.isEmpty { found(.readable, "\(unreadable) cannot be read") }
        guard fold.head > 0 else { return found(.wholeLog, "it has no events") }
        let isFinal = JobState(rawValue: state)?.isFinal ?? false
        if isFinal != fold.stand.isFinal {
            found(.oneEnd, "the job is \(state), and its log ends as “\(fold.stand)”")
        } else if state != fold.stand.state.rawValue {
            found(isFinal ? .oneEnd : .jobIsFold, "the job is \(state), and its log says \(fold.stand.state)")
        }
        if isFinal != (finishedAt != nil) {
            found(.finishedAt, "finished_at is \(finishedAt.map(String.init) ?? "not set")")
        }
        guard !isHidden else { return }
        if !Self.phases(fold.stand).contains(phase) {
            found(.jobIsFold, "its phase is \(phase), and its log says “\(fold.stand)”")
        }
        if stageIndex != Int64(fold.stageIndex) {
            found(.jobIsFold, "its stage is \(stageIndex + 1), and its log says \(fold.stageIndex + 1)")
        }
        if hasStarted != fold.hasStarted { found(.jobIsFold, "started_at and job.started do not agree") }
    }

    mutating func compareStages(_ rows: [StageRow]) {
        if rows.map(\.number) != Array(0...max(0, stageIndex)) {
            found(.stageRows, "it has rows for the stages \(rows.map { $0.number + 1 })")
        }
        for row in rows {
            let name = "stage \(row.number + 1)"
            let state = row.number < stageIndex ? "succeeded" : currentState
            if row.state != state { found(.stageRows, "\(name) is \(row.state), where \(state) is due") }
            if row.queue != row.plannedQueue {
                found(.stageRows, "\(name) is on \(row.queue), where \(row.plannedQueue) is due")
            }
            if row.priority != priority || row.tenant != tenant && !isHidden {
                found(.stageRows, "\(name) has another tenant or priority than its job")
            }
            if (row.holder != nil) != (row.state == "running") {
                found(.fence, "\(name) is \(row.state) with the holder \(row.holder.map(String.init) ?? "none")")
            }
            guard row.number == stageIndex, !isHidden else { continue }
            // An earlier version did not count the claims, so there may be more of them in the log.
            if let fence = row.fence, fence > fold.claims || row.holder != nil && fence < 1 {
                found(.fence, "\(name) has the fence \(fence), and its log has \(fold.claims) claims of it")
            }
            if row.attempt != Int64(fold.attempt) {
                found(.stageRows, "\(name) is in attempt \(row.attempt), and its log says \(fold.attempt)")
            }
            if phase == "suspended", row.checkpoint != fold.stageProgress {
                found(.stageRows, "\(name) goes on from \(row.checkpoint), and its log says \(fold.stageProgress)")
            }
            if phase == "suspended" && row.mark.isEmpty || row.isDelayed && phase != "retrying" {
                found(.stageRows, "\(name) is marked wrongly for a job that is \(phase)")
            }
        }
    }

    private mutating func found(_ invariant: Invariant, _ detail: String) {
        violations.append(Violation(invariant, job: id, detail))
    }

    private var currentState: String {
        switch phase {
        case "executing", "canceling": "running"
        case "succeeded", "failed", "canceled": phase
        default: "queued"
        }
    }

    /// What a row may say for a log. After a crash a boot suspends a stage without an event.
    private static func phases(_ stand: LogFold.Stand) -> Set<String> {
        switch stand {
        case .nothing, .begun, .complete: []
        case .executing: ["executing", "suspended"]
        default: ["\(stand)"]
        }
    }
}

/// A row of `stage`.
struct StageRow {
    let number: Int64
    let queue, tenant, state: String
    let priority: Int64
    let mark: String
    let attempt: Int64
    let holder: Int64?
    /// `nil` in a database of an earlier version.
    let fence: Int64?
    let checkpoint: Double
    let isDelayed: Bool
    let plannedQueue: String

    init(_ row: RawRow) {
        number = row.int64(0)
        queue = row.text(1)
        tenant = row.text(2)
        priority = row.int64(3)
        state = row.text(4)
        mark = row.text(5)
        attempt = row.int64(6)
        holder = row.isNull(7) ? nil : row.int64(7)
        fence = row.isNull(11) ? nil : row.int64(11)
        checkpoint = row.double(8) ?? 0
        isDelayed = row.bool(9)
        plannedQueue = row.text(10)
    }
}
