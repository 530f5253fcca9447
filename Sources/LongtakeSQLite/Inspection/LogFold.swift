import LongtakeCore

/// Folds one job's log, event by event, and says where it is not one that this program can have written.
///
/// A second fold beside ``JobStateMachine``, written from the contract and not from its code, so that a mistake in one is found by the other.
struct LogFold {
    /// Where the log has come to.
    private(set) var stand = Stand.nothing
    /// 0 for the first stage.
    private(set) var stageIndex = 0
    private(set) var attempt = 0
    private(set) var stageProgress = 0.0
    /// Claims of the current stage.
    private(set) var claims: Int64 = 0
    private(set) var head: Int64 = 0
    private(set) var lastAt: Int64 = 0
    private(set) var hasStarted = false
    /// The job failed because it cannot be read.
    private(set) var isSetAside = false
    private var progress = 0.0
    /// Of a job that is being removed, the first events are gone already.
    private let isCut: Bool
    private let stages: Int

    enum Stand: Hashable, Sendable {
        case nothing, queued, begun, waiting, retrying, suspended, executing, canceling, complete
        case succeeded, failed, canceled

        var isFinal: Bool { self == .succeeded || self == .failed || self == .canceled }

        var state: JobState {
            switch self {
            case .nothing, .queued: .queued
            case .succeeded: .succeeded
            case .failed: .failed
            case .canceled: .canceled
            default: .running
            }
        }
    }

    /// An event as it is stored.
    struct Event {
        let position: Int64
        let seq: Int64
        let type: String
        let at: Int64
        /// Members of its JSON; `nil` where they are missing, or where it is no JSON.
        var progress: Double?
        var stageProgress: Double?
        var index: Int64?
        var attempt: Int64?
        var isFinal = false
        /// Of a job that failed.
        var errorCode = ""
    }

    /// - Parameter stages: how many the job's pipeline has.
    init(stages: Int, isCut: Bool) {
        self.stages = stages
        self.isCut = isCut
    }

    mutating func add(_ event: Event, found: (Invariant, String) -> Void) {
        let expected = head + 1
        if event.seq != expected, !(isCut && head == 0) {
            found(.wholeLog, "event \(event.seq) stands where \(expected) is due")
        }
        head = event.seq
        lastAt = event.at
        guard let type = EventType(rawValue: event.type) else {
            return found(.wholeLog, "event \(event.seq) has the unknown type “\(event.type)”")
        }
        guard let told = event.progress else {
            return found(.wholeLog, "event \(event.seq) carries no progress, or is no JSON")
        }
        if told < progress { found(.progress, "event \(event.seq) goes back from \(progress) to \(told)") }
        if told >= 1 && type != .jobSucceeded || type == .jobSucceeded && told != 1 {
            found(.progress, "event \(event.seq), \(event.type), tells \(told)")
        }
        progress = max(progress, told)
        if event.isFinal != type.isFinal { found(.oneEnd, "event \(event.seq), \(event.type), is marked wrongly") }
        if stand.isFinal { found(.oneEnd, "event \(event.seq), \(event.type), stands behind the final one") }
        step(type, event, found: found)
    }

    private mutating func step(_ type: EventType, _ event: Event, found: (Invariant, String) -> Void) {
        let before = stand
        if !(Self.predecessors[type]?.contains(before) ?? false), !before.isFinal, !(isCut && before == .nothing) {
            let isTwice = type == .stageStarted && before == .executing
            found(isTwice ? .stageOnce : .order, "event \(event.seq), \(event.type), cannot follow “\(before)”")
        }
        switch type {
        case .jobQueued: stand = .queued
        case .jobStarted:
            stand = .begun
            hasStarted = true
        case .stageStarted: startStage(event, found: found)
        case .stageProgress:
            stand = .executing
            stageProgress = max(stageProgress, event.stageProgress ?? 0)
        case .stageSucceeded:
            if let index = event.index, Int(index) != stageIndex + 1, !isCut {
                found(.order, "event \(event.seq) ends stage \(index), and stage \(stageIndex + 1) is the current one")
            }
            if Int(event.index ?? 0) >= stages {
                stand = .complete
            } else {
                (stand, stageIndex, attempt, stageProgress) = (.waiting, Int(event.index ?? 0), 0, 0)
                claims = 0
            }
        case .stageRetrying: (stand, stageProgress) = (.retrying, 0)
        case .jobInterrupted: stand = .suspended
        case .jobResumed:
            stand = .executing
            claims += 1
        case .jobCancelRequested: stand = .canceling
        case .jobSucceeded: stand = .succeeded
        case .jobFailed:
            stand = .failed
            isSetAside = event.errorCode == JobError.unreadable.code
        case .jobCanceled: stand = .canceled
        }
    }

    private mutating func startStage(_ event: Event, found: (Invariant, String) -> Void) {
        let index = Int(event.index ?? 0) - 1
        if !isCut {
            if index < stageIndex {
                found(.stageOnce, "event \(event.seq) starts stage \(index + 1), which has succeeded")
            } else if index != stageIndex {
                found(.order, "event \(event.seq) starts stage \(index + 1), and \(stageIndex + 1) is the current one")
            } else if event.attempt != Int64(attempt + 1) {
                found(.order, "event \(event.seq) is attempt \(event.attempt ?? 0), and \(attempt + 1) is due")
            }
        }
        (stand, stageIndex, attempt, stageProgress) = (.executing, index, Int(event.attempt ?? 0), 0)
        claims += 1
    }

    /// What may stand before an event. A stage that a crash interrupted is `executing` in the log: nothing is written then.
    private static let predecessors: [EventType: Set<Stand>] = [
        .jobQueued: [.nothing],
        .jobStarted: [.queued],
        .stageStarted: [.begun, .waiting, .retrying],
        .stageProgress: [.executing],
        .stageSucceeded: [.executing],
        .stageRetrying: [.executing],
        .jobInterrupted: [.executing],
        .jobResumed: [.executing, .suspended],
        .jobCancelRequested: [.executing],
        .jobSucceeded: [.complete],
        .jobFailed: [.executing],
        .jobCanceled: [.queued, .waiting, .retrying, .suspended, .executing, .canceling],
    ]
}
