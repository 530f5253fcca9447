import LongtakeCore

/// Folds one job's event log, event by event, and reports events that this program cannot have
/// written.
///
/// It is a second fold besides ``JobStateMachine``, written from the specification and not from
/// that code, so that each finds mistakes of the other.
struct EventFold {
    /// The state after the events so far.
    private(set) var phase = Phase.nothing
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
    /// The first events of a job that is being removed are already gone.
    private let isCut: Bool
    private let stages: Int

    enum Phase: Hashable, Sendable {
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
        /// Members of its JSON; `nil` if they are missing or the JSON is invalid.
        var progress: Double?
        var stageProgress: Double?
        var index: Int64?
        var attempt: Int64?
        var isFinal = false
        /// The error code of a failed job.
        var errorCode = ""
    }

    /// - Parameter stages: the number of stages in the job's pipeline.
    init(stages: Int, isCut: Bool) {
        self.stages = stages
        self.isCut = isCut
    }

    mutating func add(_ event: Event, found: (Invariant, String) -> Void) {
        let expected = head + 1
        if event.seq != expected, !(isCut && head == 0) {
            found(.wholeLog, "found event \(event.seq), expected \(expected)")
        }
        head = event.seq
        lastAt = event.at
        guard let type = EventType(rawValue: event.type) else {
            return found(.wholeLog, "event \(event.seq) has the unknown type “\(event.type)”")
        }
        guard let value = event.progress else {
            return found(.wholeLog, "event \(event.seq) has no progress, or is not JSON")
        }
        if value < progress { found(.progress, "event \(event.seq) goes back from \(progress) to \(value)") }
        if value >= 1 && type != .jobSucceeded || type == .jobSucceeded && value != 1 {
            found(.progress, "event \(event.seq), \(event.type), has progress \(value)")
        }
        progress = max(progress, value)
        if event.isFinal != type.isFinal {
            found(.oneEnd, "event \(event.seq), \(event.type), has the wrong value for final")
        }
        if phase.isFinal { found(.oneEnd, "event \(event.seq), \(event.type), follows the final event") }
        step(type, event, found: found)
    }

    private mutating func step(_ type: EventType, _ event: Event, found: (Invariant, String) -> Void) {
        let before = phase
        if !(Self.predecessors[type]?.contains(before) ?? false), !before.isFinal, !(isCut && before == .nothing) {
            let isTwice = type == .stageStarted && before == .executing
            found(isTwice ? .stageOnce : .order, "event \(event.seq), \(event.type), cannot follow “\(before)”")
        }
        switch type {
        case .jobQueued: phase = .queued
        case .jobStarted:
            phase = .begun
            hasStarted = true
        case .stageStarted: startStage(event, found: found)
        case .stageProgress:
            phase = .executing
            stageProgress = max(stageProgress, event.stageProgress ?? 0)
        case .artifactCreated: phase = .executing
        case .stageSucceeded:
            if let index = event.index, Int(index) != stageIndex + 1, !isCut {
                found(.order, "event \(event.seq) ends stage \(index), and stage \(stageIndex + 1) is the current one")
            }
            if Int(event.index ?? 0) >= stages {
                phase = .complete
            } else {
                (phase, stageIndex, attempt, stageProgress) = (.waiting, Int(event.index ?? 0), 0, 0)
                claims = 0
            }
        case .stageRetrying: (phase, stageProgress) = (.retrying, 0)
        case .jobInterrupted: phase = .suspended
        case .jobResumed:
            phase = .executing
            claims += 1
        case .jobCancelRequested: phase = .canceling
        case .jobSucceeded: phase = .succeeded
        case .jobFailed:
            phase = .failed
            isSetAside = event.errorCode == JobError.unreadable.code
        case .jobCanceled: phase = .canceled
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
                found(.order, "event \(event.seq) is attempt \(event.attempt ?? 0), expected \(attempt + 1)")
            }
        }
        (phase, stageIndex, attempt, stageProgress) = (.executing, index, Int(event.attempt ?? 0), 0)
        claims += 1
    }

    /// The states in which an event may occur. A stage that a crash interrupted is still
    /// `executing` in the event log, because a crash writes no event.
    private static let predecessors: [EventType: Set<Phase>] = [
        .jobQueued: [.nothing],
        .jobStarted: [.queued],
        .stageStarted: [.begun, .waiting, .retrying],
        .stageProgress: [.executing],
        .artifactCreated: [.executing],
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
