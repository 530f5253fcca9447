/// How one attempt comes to its end: a pure value whose ``Action``s ``StageAttempt`` carries out.
///
/// ```text
///             run ended       limit passed   told to stop    grace over
/// running     end             stopping       stopping        ·
/// stopping    end             ·              ·               abandon
/// over        ·               ·              ·               ·
/// ```
/// A runner that was told to stop has a grace. If it has not ended by then, the attempt goes on without it: its worker is free, and whatever
/// it reports later changes nothing.
struct AttemptState {
    enum Action: Hashable {
        case nothing
        /// Cancel the run, and tell ``graceOver()`` when the grace is over.
        case stop
        /// The run has ended.
        case end
        /// The run has not ended, and nobody waits for it any more.
        case abandon
    }

    private enum Phase {
        case running, stopping, over
    }

    private var phase = Phase.running
    /// Whether the time limit is what stopped the run.
    private(set) var isLate = false

    mutating func ended() -> Action {
        guard phase != .over else { return .nothing }
        phase = .over
        return .end
    }

    mutating func limitPassed() -> Action {
        guard phase == .running else { return .nothing }
        isLate = true
        phase = .stopping
        return .stop
    }

    /// The daemon stops, the job is to be canceled, or the claim does not hold any more.
    mutating func toldToStop() -> Action {
        guard phase == .running else { return .nothing }
        phase = .stopping
        return .stop
    }

    mutating func graceOver() -> Action {
        guard phase == .stopping else { return .nothing }
        phase = .over
        return .abandon
    }
}
