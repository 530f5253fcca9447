import LongtakeCore

/// When to prune next and what to tell the operator: the pure part of the ``Pruner``.
struct PrunerState {
    private let retention: Retention
    private var (jobs, events) = (0, 0)
    private var untoldSince: Timestamp?
    private var toldAt: Timestamp?
    private var isBlockTold = false

    enum Next: Hashable {
        /// Something is due already.
        case slice
        /// Nothing is, before that time or before the database grows.
        case look(at: Timestamp?)
    }

    enum Note: Hashable {
        case pruned(jobs: Int, events: Int)
        /// The database is above its bound, and every job in it is active.
        case blocked(usedBytes: Int64)
    }

    init(_ retention: Retention) { self.retention = retention }

    mutating func sliced(_ outcome: PruneOutcome, at time: Timestamp) -> (next: Next, notes: [Note]) {
        jobs += outcome.jobs
        events += outcome.events
        if jobs > 0 || events > 0, untoldSince == nil { untoldSince = time }
        var notes: [Note] = []
        if isTimeToTell(outcome, at: time), let note = takeTally() {
            notes.append(note)
            toldAt = time
        }
        let isBlocked = isBlocked(outcome)
        if isBlocked, !isBlockTold { notes.append(.blocked(usedBytes: outcome.usedBytes)) }
        isBlockTold = isBlocked
        if outcome.hasMore { return (.slice, notes) }
        let due = retention.nextLook(at: time, usedBytes: outcome.usedBytes, oldest: outcome.oldest)
        let telling = untoldSince == nil ? nil : toldAt?.advanced(by: Limits.pruneLogInterval)
        return (.look(at: [due, telling].compactMap { $0 }.min()), notes)
    }

    /// What nobody was told of yet, when the pruner stops.
    mutating func stopped() -> Note? { takeTally() }

    func isBlocked(_ outcome: PruneOutcome) -> Bool {
        retention.isExceeded(by: outcome.usedBytes) && outcome.oldest == nil
    }

    /// At the end of a run, in a long one after each interval, and never twice within one.
    private func isTimeToTell(_ outcome: PruneOutcome, at time: Timestamp) -> Bool {
        func isOver(_ begin: Timestamp) -> Bool { time >= begin.advanced(by: Limits.pruneLogInterval) }
        return (!outcome.hasMore || untoldSince.map(isOver) ?? false) && toldAt.map(isOver) ?? true
    }

    private mutating func takeTally() -> Note? {
        guard untoldSince != nil else { return nil }
        defer { (jobs, events, untoldSince) = (0, 0, nil) }
        return .pruned(jobs: jobs, events: events)
    }
}
