import Logging
import LongtakeCore
import Synchronization

/// The way of one run's reports to the journal: paced, cut, one at a time, and at an end as soon as the journal says so.
final class StageReporter: Sendable {
    /// Why no more reports are taken.
    enum Stop: Hashable, Sendable {
        /// The job is to be canceled.
        case canceling
        /// The claim does not hold any more, or the journal has ended.
        case lost
    }

    private let claim: Claim
    private let store: any WorkStore
    private let timeline: Timeline
    private let logger: Logger
    private let state: Mutex<(pacer: ReportPacer, stop: Stop?)>
    private let whenStopped = Mutex<(@Sendable () -> Void)?>(nil)

    init(claim: Claim, store: any WorkStore, interval: Duration, timeline: Timeline, logger: Logger) {
        self.claim = claim
        self.store = store
        self.timeline = timeline
        self.logger = logger
        state = Mutex((ReportPacer(interval: interval, checkpoint: claim.checkpoint.progress), nil))
    }

    var stop: Stop? { state.withLock { $0.stop } }

    /// Passes a report on, or drops it when it comes too early: a newer one follows.
    /// - Throws: `CancellationError` when the stage is to be given up.
    func report(_ report: StageReport) async throws {
        try Task.checkCancellation()
        let elapsed = timeline.elapsed
        let (isWanted, stop) = state.withLock { state in
            (state.stop == nil && state.pacer.shouldSend(report.progress, at: elapsed), state.stop)
        }
        guard stop == nil else { throw CancellationError() }
        guard isWanted else { return }
        defer { state.withLock { $0.pacer.didSend() } }
        let message = report.message.cut(toBytes: Limits.reportMessageBytes)
        do {
            let answer = try await store.report(
                StageReport(progress: report.progress, message: message, checkpoint: bounded(report.checkpoint)),
                for: claim)
            switch answer {
            case .goOn: return
            case .canceling: give(up: .canceling)
            case .lost: give(up: .lost)
            }
        } catch JournalError.overloaded, JournalError.cannotPersist {
            // A report may be lost where a later one can follow; the stage goes on.
            logger.debug("a report was dropped, since the journal cannot persist it at present")
        } catch let error as JournalError {
            logger.notice("the stage is given up", metadata: ["error": "\(error)"])
            give(up: .lost)
        }
        if self.stop != nil { throw CancellationError() }
    }

    /// A checkpoint within its limit; the one before is kept instead of one that is larger.
    private func bounded(_ checkpoint: JSONValue?) -> JSONValue? {
        guard let checkpoint, let bytes = try? JSONText.encode(checkpoint).utf8.count else { return nil }
        if bytes <= Limits.checkpointBytes { return checkpoint }
        logger.warning(
            "a checkpoint is too large and was not kept",
            metadata: ["bytes": "\(bytes)", "limit": "\(Limits.checkpointBytes)"])
        return nil
    }

    /// Calls `observer` when the journal says that the stage is to be given up.
    func observeStop(_ observer: @escaping @Sendable () -> Void) { whenStopped.withLock { $0 = observer } }

    /// Takes no report any more: nobody waits for this run.
    func close() { state.withLock { $0.stop = .lost } }

    private func give(up stop: Stop) {
        state.withLock { $0.stop = stop }
        whenStopped.withLock { $0 }?()
    }
}
