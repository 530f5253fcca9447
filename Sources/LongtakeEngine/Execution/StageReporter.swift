import Logging
import LongtakeCore
import Synchronization

/// Sends the reports of one attempt to the journal: at limited rate, truncated, and one at a time.
/// It stops as soon as the journal answers that the attempt must end.
final class StageReporter: Sendable {
    /// Why the reporter accepts no more reports.
    enum Stop: Hashable, Sendable {
        /// The job is to be canceled.
        case canceling
        /// The claim is lost, or the journal is closed.
        case lost
    }

    private let claim: Claim
    private let store: any WorkStore
    private let timeline: Timeline
    private let logger: Logger
    private let state: Mutex<(pacer: ReportPacer, stop: Stop?)>
    private let stopObserver = Mutex<(@Sendable () -> Void)?>(nil)

    init(claim: Claim, store: any WorkStore, interval: Duration, timeline: Timeline, logger: Logger) {
        self.claim = claim
        self.store = store
        self.timeline = timeline
        self.logger = logger
        state = Mutex((ReportPacer(interval: interval, checkpoint: claim.checkpoint.progress), nil))
    }

    var stop: Stop? { state.withLock { $0.stop } }

    /// Sends a report. It drops a report that comes too early, because a newer one follows.
    /// - Throws: `CancellationError` if the attempt must end.
    func report(_ report: StageReport) async throws {
        try Task.checkCancellation()
        let elapsed = timeline.elapsed
        let (isDue, stop) = state.withLock { state in
            (state.stop == nil && state.pacer.shouldSend(report.progress, at: elapsed), state.stop)
        }
        guard stop == nil else { throw CancellationError() }
        guard isDue else { return }
        defer { state.withLock { $0.pacer.didSend() } }
        let message = report.message.truncated(toBytes: Limits.reportMessageBytes)
        do {
            let answer = try await store.report(
                StageReport(progress: report.progress, message: message, checkpoint: accepted(report.checkpoint)),
                for: claim)
            switch answer {
            case .goOn: return
            case .canceling: endAttempt(.canceling)
            case .lost: endAttempt(.lost)
            }
        } catch JournalError.overloaded, JournalError.cannotPersist {
            // A lost report does no harm, because a later one can follow. The attempt goes on.
            logger.debug("dropped a progress report, because the journal cannot store it now")
        } catch let error as JournalError {
            logger.notice(
                "stopped an attempt, because the journal rejected its report", metadata: ["error": "\(error)"])
            endAttempt(.lost)
        }
        if self.stop != nil { throw CancellationError() }
    }

    /// The checkpoint; `nil` if it is larger than ``Limits/checkpointBytes``. Then the journal
    /// keeps the previous one.
    private func accepted(_ checkpoint: JSONValue?) -> JSONValue? {
        guard let checkpoint, let bytes = try? JSONText.encode(checkpoint).utf8.count else { return nil }
        if bytes <= Limits.checkpointBytes { return checkpoint }
        logger.warning(
            "a checkpoint is too large and was not stored; the previous one is kept",
            metadata: ["bytes": "\(bytes)", "limit": "\(Limits.checkpointBytes)"])
        return nil
    }

    /// Calls `observer` when the journal answers that the attempt must end.
    func observeStop(_ observer: @escaping @Sendable () -> Void) { stopObserver.withLock { $0 = observer } }

    /// Rejects all further reports, because the attempt was abandoned.
    func close() { state.withLock { $0.stop = .lost } }

    private func endAttempt(_ reason: Stop) {
        state.withLock { $0.stop = reason }
        stopObserver.withLock { $0 }?()
    }
}

extension String {
    /// The longest prefix that has at most `limit` bytes in UTF-8 and ends between two characters.
    func truncated(toBytes limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var (end, bytes) = (startIndex, 0)
        for index in indices {
            bytes += self[index].utf8.count
            guard bytes <= limit else { break }
            end = self.index(after: index)
        }
        return String(self[..<end])
    }
}
