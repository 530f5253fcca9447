import LongtakeCore

/// Decides when to claim stages from a queue and how many. It is a pure value: ``Dispatcher``
/// performs its ``Action``s.
///
/// ```text
///              wake, timer  worker freed   claim returned  claim failed   backoff over  stop
/// ready        claim        claim          -               -              -             stopping
/// claiming     remember     remember       claim           backing off    -             stopping
/// backing off  remember     remember       -               -              claim         stopping
/// stopping     ·            end when idle  end when idle   end when idle  ·             ·
/// ```
/// It claims only if a worker is free and the queue may contain a stage.
/// At most one claim is in progress. A wake-up during a claim is remembered, because the claim may
/// have read the queue before the commit that caused the wake-up.
struct DispatcherState: Sendable {
    enum Action: Hashable, Sendable {
        /// Claim at most this many stages, then call ``claimed(_:nextDue:)`` or
        /// ``claimFailed(isFinal:)``.
        case claim(limit: Int)
        /// Call ``timerFired(_:)`` at this time. Replaced timers may still fire. The state
        /// recognizes them by their time.
        case setTimer(Timestamp)
        /// Wait before the next claim, then call ``backoffEnded()``. `failures` is the number of
        /// consecutive failures.
        case backOff(failures: Int)
        /// The dispatcher is stopped, and no claim and no worker is left.
        case end
    }

    private enum Phase: Hashable {
        case ready
        case claiming(requested: Int)
        case backingOff
        case stopping
    }

    let workers: Int
    private var phase = Phase.ready
    /// The number of busy workers.
    private(set) var running = 0
    /// Whether the queue may contain a stage that can be claimed.
    private var isWanted = false
    /// Whether a claim was in progress at the stop. Its stages still have to be released.
    private var isClaimPending = false
    private var failures = 0
    /// The time for which the timer is set.
    private var due: Timestamp?
    /// The earliest retry that was announced since the current claim began. The claim's result may
    /// not include it.
    private var dueSinceClaim: Timestamp?

    init(workers: Int) {
        self.workers = workers
    }

    /// The queue may contain a stage that can be claimed. Called at the start and after a commit
    /// that adds one.
    mutating func wake() -> [Action] {
        isWanted = true
        return claimIfPossible()
    }

    /// A stage can be retried at `time`.
    mutating func expect(at time: Timestamp) -> [Action] {
        guard phase != .stopping else { return [] }
        dueSinceClaim = min(dueSinceClaim ?? time, time)
        return setTimer(earliest(due, time))
    }

    /// The timer that was set for `time` fired. A timer that was replaced since is ignored.
    mutating func timerFired(_ time: Timestamp) -> [Action] {
        guard time == due else { return [] }
        due = nil
        return wake()
    }

    /// The claim returned `count` stages, and workers now run them.
    /// - Parameter nextDue: the time of the next retry on this queue.
    mutating func claimed(_ count: Int, nextDue: Timestamp?) -> [Action] {
        running += count
        failures = 0
        guard case .claiming(let requested) = phase else { return endClaim() }
        phase = .ready
        // A full result means that there may be more stages. A smaller one means that the queue was
        // empty, unless a wake-up came during the claim.
        if count >= requested { isWanted = true }
        // The result includes every retry that was committed before the claim. Later ones were
        // announced meanwhile.
        due = due.flatMap { $0 == nextDue || $0 == dueSinceClaim ? $0 : nil }
        return setTimer(earliest(nextDue, dueSinceClaim)) + claimIfPossible()
    }

    /// The claim failed, or no stage may be claimed now.
    /// - Parameter isFinal: whether the journal is closed, so that all later claims would fail too.
    mutating func claimFailed(isFinal: Bool) -> [Action] {
        guard case .claiming = phase else { return endClaim() }
        if isFinal {
            phase = .stopping
            return endIfIdle()
        }
        phase = .backingOff
        isWanted = true
        failures += 1
        return [.backOff(failures: failures)]
    }

    /// The wait after a failed claim is over.
    mutating func backoffEnded() -> [Action] {
        guard phase == .backingOff else { return [] }
        phase = .ready
        return claimIfPossible()
    }

    /// A worker has finished its stage.
    mutating func workerFreed() -> [Action] {
        precondition(running > 0, "a worker became free although none was busy")
        running -= 1
        return phase == .stopping ? endIfIdle() : claimIfPossible()
    }

    /// No more stages are to be claimed. ``Action/end`` follows when the last worker is free.
    mutating func stop() -> [Action] {
        guard phase != .stopping else { return [] }
        if case .claiming = phase { isClaimPending = true }
        phase = .stopping
        return endIfIdle()
    }

    private mutating func claimIfPossible() -> [Action] {
        let free = min(workers - running, EngineLimits.stagesPerClaim)
        guard phase == .ready, isWanted, free > 0 else { return [] }
        phase = .claiming(requested: free)
        isWanted = false
        dueSinceClaim = nil
        return [.claim(limit: free)]
    }

    private mutating func setTimer(_ time: Timestamp?) -> [Action] {
        guard let time, time != due else { return [] }
        due = time
        return [.setTimer(time)]
    }

    private mutating func endClaim() -> [Action] {
        precondition(isClaimPending, "a claim returned although none was in progress")
        isClaimPending = false
        return endIfIdle()
    }

    private func endIfIdle() -> [Action] {
        running == 0 && !isClaimPending ? [.end] : []
    }

    private func earliest(_ one: Timestamp?, _ other: Timestamp?) -> Timestamp? {
        guard let one, let other else { return one ?? other }
        return min(one, other)
    }
}
