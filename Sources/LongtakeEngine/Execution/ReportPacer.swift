import LongtakeCore

/// Decides which reports of one attempt are stored. Few enough keep the event log short, and enough
/// of them keep its readers informed.
///
/// Two reports are at least an interval apart. The report that completes the stage is exempt. If an
/// attempt would use up ``EngineLimits/reportsPerAttempt`` before its end, its interval becomes
/// longer, so that reports continue until the end.
struct ReportPacer: Sendable {
    private let interval: Duration
    private let limit: Int
    private let checkpoint: Progress
    private var sent = 0
    private var lastSent: Duration?
    /// Whether the journal still handles a report. Only one is sent at a time, so that none can
    /// overtake another.
    private var isSending = false

    init(interval: Duration, limit: Int = EngineLimits.reportsPerAttempt, checkpoint: Progress = .none) {
        self.interval = interval
        self.limit = limit
        self.checkpoint = checkpoint
    }

    /// Whether to send a report that is made `elapsed` after the attempt began. If so,
    /// ``didSend()`` must follow.
    mutating func shouldSend(_ progress: Progress, at elapsed: Duration) -> Bool {
        guard !isSending else { return false }
        if progress < .complete {
            // The last report is reserved for the one that completes the stage.
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

    /// Whether to send something that is no report, such as a checkpoint alone. If so,
    /// ``didSend()`` must follow.
    mutating func shouldSendUncounted() -> Bool {
        guard !isSending else { return false }
        isSending = true
        return true
    }

    mutating func didSend() { isSending = false }

    /// The expected remaining time, divided by the remaining reports. An attempt without progress
    /// is expected to take as long again.
    private func stretched(_ progress: Progress, at elapsed: Duration) -> Duration {
        let done = progress.value - checkpoint.value
        let rest = done > 0 ? elapsed * ((1 - progress.value) / done) : elapsed
        return rest / (limit - sent)
    }
}
