import LongtakeCore

/// Decides when a queue is claimed from, and how many stages: a pure value whose ``Action``s ``Dispatcher`` carries out.
///
/// ```text
///                 wake, timer       worker freed     claim returned          claim failed    backoff ended   stop
/// ready           claim if free     claim if wanted  -                       -               -               stopping
/// claiming        remember          remember         claim again if wanted   backing off     -               stopping
/// backing off     remember          remember         -                       -               claim           stopping
/// stopping        ·                 end when idle    end when idle           end when idle   ·               ·
/// ```
/// At most one claim is under way. A wake-up during it is remembered, since the claim may have read before what woke us was committed.
struct DispatcherState: Sendable {
    enum Action: Hashable, Sendable {
        /// Ask the journal for this many stages, and tell ``claimed(_:nextDue:)`` or ``claimFailed(isFinal:)``.
        case claim(limit: Int)
        /// Tell ``timerFired(_:)`` at this time. Earlier timers may still fire; they are known by their time.
        case setTimer(Timestamp)
        /// Wait before the next claim, then tell ``backoffEnded()``. The number of claims in a row that failed.
        case backOff(failures: Int)
        /// Nothing is left to do, ever.
        case end
    }

    private enum Phase: Hashable {
        case ready
        case claiming(asked: Int)
        case backingOff
        case stopping
    }

    let workers: Int
    private var phase = Phase.ready
    /// Stages in the hands of workers.
    private(set) var running = 0
    /// Whether the queue may hold a stage that we have not asked for.
    private var isWanted = false
    /// A claim that was under way when we were stopped: what it brings still has to be given back.
    private var isClaimAwaited = false
    private var failures = 0
    /// When the timer is set for.
    private var due: Timestamp?
    /// The earliest due time that was heard of since the claim that is under way began, so that its answer may not know.
    private var heard: Timestamp?

    init(workers: Int) {
        self.workers = workers
    }

    /// Something can be claimed, or may be: at the start, and after a commit that says so.
    mutating func wake() -> [Action] {
        isWanted = true
        return claimIfPossible()
    }

    /// A stage waits for its next attempt until `time`.
    mutating func expect(at time: Timestamp) -> [Action] {
        guard phase != .stopping else { return [] }
        heard = min(heard ?? time, time)
        return setTimer(earliest(due, time))
    }

    mutating func timerFired(_ time: Timestamp) -> [Action] {
        guard time == due else { return [] }
        due = nil
        return wake()
    }

    /// The claim brought `count` stages, which are with workers now. `nextDue`: when the next retry on this queue can be claimed.
    mutating func claimed(_ count: Int, nextDue: Timestamp?) -> [Action] {
        running += count
        failures = 0
        guard case .claiming(let asked) = phase else { return endClaim() }
        phase = .ready
        // As many as asked for: there may be more. Fewer: the queue was empty, unless something woke us meanwhile.
        if count >= asked { isWanted = true }
        // The answer knows every retry that was committed before the claim; those heard of since are added.
        due = due.flatMap { $0 == nextDue || $0 == heard ? $0 : nil }
        return setTimer(earliest(nextDue, heard)) + claimIfPossible()
    }

    /// The claim failed; `isFinal` when the journal will never answer again.
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

    mutating func backoffEnded() -> [Action] {
        guard phase == .backingOff else { return [] }
        phase = .ready
        return claimIfPossible()
    }

    mutating func workerFreed() -> [Action] {
        precondition(running > 0, "a worker was freed that had no stage")
        running -= 1
        return phase == .stopping ? endIfIdle() : claimIfPossible()
    }

    mutating func stop() -> [Action] {
        guard phase != .stopping else { return [] }
        if case .claiming = phase { isClaimAwaited = true }
        phase = .stopping
        return endIfIdle()
    }

    private mutating func claimIfPossible() -> [Action] {
        let free = min(workers - running, Limits.claimsAtOnce)
        guard phase == .ready, isWanted, free > 0 else { return [] }
        phase = .claiming(asked: free)
        isWanted = false
        heard = nil
        return [.claim(limit: free)]
    }

    private mutating func setTimer(_ time: Timestamp?) -> [Action] {
        guard let time, time != due else { return [] }
        due = time
        return [.setTimer(time)]
    }

    private mutating func endClaim() -> [Action] {
        precondition(isClaimAwaited, "a claim was answered that nobody made")
        isClaimAwaited = false
        return endIfIdle()
    }

    private func endIfIdle() -> [Action] {
        running == 0 && !isClaimAwaited ? [.end] : []
    }

    private func earliest(_ one: Timestamp?, _ other: Timestamp?) -> Timestamp? {
        guard let one, let other else { return one ?? other }
        return min(one, other)
    }
}
