import LongtakeCore

/// Decides which reports of one run are written down: seldom enough that a log stays short, often enough that its reader sees it move.
///
/// Two reports are at least an interval apart; the one that completes the stage is excepted. A run that would use up
/// ``Limits/reportsPerStage`` before its end has its interval stretched instead, so that it never falls silent.
struct ReportPacer: Sendable {
    private let interval: Duration
    private let limit: Int
    private let checkpoint: Progress
    private var sent = 0
    private var lastSent: Duration?
    /// Whether a report is on its way to the journal. There is one at a time, so that none can overtake another.
    private var isSending = false

    init(interval: Duration, limit: Int = Limits.reportsPerStage, checkpoint: Progress = .none) {
        self.interval = interval
        self.limit = limit
        self.checkpoint = checkpoint
    }

    /// Whether to send a report that is made `elapsed` after the run began. When it is, ``didSend()`` must follow.
    mutating func shouldSend(_ progress: Progress, at elapsed: Duration) -> Bool {
        guard !isSending else { return false }
        if progress < .complete {
            // The last place is kept for the report that completes the stage.
            guard sent < limit - 1 else { return false }
            if let lastSent, elapsed - lastSent < max(interval, stretched(progress, at: elapsed)) { return false }
        } else if sent >= limit {
            return false
        }
        sent += 1
        lastSent = elapsed
        isSending = true
        return true
    }

    mutating func didSend() { isSending = false }

    /// The time that is left, spread over the reports that are left. A run that has not moved is expected to take as long again.
    private func stretched(_ progress: Progress, at elapsed: Duration) -> Duration {
        let done = progress.value - checkpoint.value
        let rest = done > 0 ? elapsed * ((1 - progress.value) / done) : elapsed
        return rest / (limit - sent)
    }
}
