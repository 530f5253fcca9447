/// Decides when one attempt ends. It is a pure value: ``StageAttempt`` performs its ``Action``s.
///
/// ```text
///             run ended       limit passed   stop requested   grace over
/// running     end             stopping       stopping         ·
/// stopping    end             ·              ·                abandon
/// over        ·               ·              ·                ·
/// ```
/// A runner that was asked to stop has a grace period. If it does not end in time, the attempt ends
/// without it: the worker is free, and later reports of the runner change nothing.
struct AttemptState {
    enum Action: Hashable {
        case nothing
        /// Cancel the run, and call ``graceOver()`` when the grace period has passed.
        case stop
        /// The run has ended.
        case end
        /// The run has not ended, and the attempt no longer waits for it.
        case abandon
    }

    private enum Phase {
        case running, stopping, over
    }

    private var phase = Phase.running
    /// Whether the run was stopped because of its time limit.
    private(set) var isTimedOut = false

    /// The runner has returned or thrown.
    mutating func ended() -> Action {
        guard phase != .over else { return .nothing }
        phase = .over
        return .end
    }

    /// The time limit has passed.
    mutating func limitPassed() -> Action {
        guard phase == .running else { return .nothing }
        isTimedOut = true
        phase = .stopping
        return .stop
    }

    /// The daemon shuts down, the job is to be canceled, or the claim is lost.
    mutating func stopRequested() -> Action {
        guard phase == .running else { return .nothing }
        phase = .stopping
        return .stop
    }

    /// The grace period has passed.
    mutating func graceOver() -> Action {
        guard phase == .stopping else { return .nothing }
        phase = .over
        return .abandon
    }
}
