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
    private let state: Mutex<State>
    private let stopObserver = Mutex<(@Sendable () -> Void)?>(nil)

    private struct State {
        var pacer: ReportPacer
        /// Previews have a pacer of their own. A program that tells its progress and then a preview
        /// would never get a preview through otherwise.
        var previews: ReportPacer
        var checkpoints = CheckpointPacer()
        /// The last report that was sent.
        var last: (progress: Progress, message: String)?
        var stop: Stop?

        /// Whether the report says what the last one said.
        func isOld(_ progress: Progress, _ message: String) -> Bool {
            guard let last, !checkpoints.isWaiting else { return false }
            return progress <= last.progress && message == last.message
        }
    }

    /// What to send to the journal.
    private enum Step {
        case nothing
        case report(checkpoint: JSONValue?)
        case checkpoint(JSONValue)
    }

    init(claim: Claim, store: any WorkStore, interval: Duration, timeline: Timeline, logger: Logger) {
        self.claim = claim
        self.store = store
        self.timeline = timeline
        self.logger = logger
        let pacer = ReportPacer(interval: interval, checkpoint: claim.checkpoint.progress)
        state = Mutex(State(pacer: pacer, previews: pacer))
    }

    var stop: Stop? { state.withLock { $0.stop } }

    /// Sends a report. It drops a report that comes too early, because a newer one follows, and a
    /// report that changes nothing.
    /// - Throws: `CancellationError` if the attempt must end.
    func report(_ report: StageReport) async throws {
        let checkpoint = accepted(report.checkpoint)
        let message = report.message.truncated(toBytes: Limits.reportMessageBytes)
        let elapsed = timeline.elapsed
        let isStopping = Task.isCancelled
        let step = state.withLock { state -> Step? in
            if let checkpoint { state.checkpoints.add(checkpoint) }
            guard state.stop == nil, !isStopping else { return nil }
            if !state.isOld(report.progress, message), state.pacer.shouldSend(report.progress, at: elapsed) {
                state.last = (report.progress, message)
                return .report(checkpoint: state.checkpoints.take(at: elapsed))
            }
            return Self.dueCheckpoint(&state, at: elapsed)
        }
        guard let step else { throw CancellationError() }
        switch step {
        case .nothing: return
        case .report(let checkpoint):
            try await send(StageReport(progress: report.progress, message: message, checkpoint: checkpoint))
        case .checkpoint(let checkpoint): try await send(StageReport(checkpointOnly: checkpoint))
        }
        if stop != nil { throw CancellationError() }
    }

    /// Stores the checkpoint that waits, if it is due. If the attempt must end, the next report
    /// says so.
    func storeCheckpointIfDue() async {
        let elapsed = timeline.elapsed
        let step = state.withLock { state in
            state.stop == nil ? Self.dueCheckpoint(&state, at: elapsed) : .nothing
        }
        guard case .checkpoint(let checkpoint) = step else { return }
        do {
            try await send(StageReport(checkpointOnly: checkpoint))
        } catch {
            logger.notice("a checkpoint was not stored", metadata: ["error": "\(error)"])
        }
    }

    /// Stores the checkpoint that waits, because the stage is interrupted.
    func storeLastCheckpoint() async {
        let elapsed = timeline.elapsed
        guard let checkpoint = state.withLock({ $0.checkpoints.take(at: elapsed) }) else { return }
        do {
            _ = try await store.report(StageReport(checkpointOnly: checkpoint), for: claim)
        } catch {
            logger.notice("the last checkpoint of a stage was not stored", metadata: ["error": "\(error)"])
        }
    }

    /// Whether a preview may be registered now.
    func admitsPreview() -> Bool {
        let elapsed = timeline.elapsed
        return state.withLock { state in
            // The progress decides how the pacer spreads the previews over the time that is left.
            let progress = min(state.last?.progress ?? .none, .almostComplete)
            guard state.previews.shouldSend(progress, at: elapsed) else { return false }
            state.previews.didSend()
            return true
        }
    }

    private static func dueCheckpoint(_ state: inout State, at elapsed: Duration) -> Step {
        guard state.checkpoints.isDue(at: elapsed), state.pacer.shouldSendUncounted(),
            let checkpoint = state.checkpoints.take(at: elapsed)
        else { return .nothing }
        return .checkpoint(checkpoint)
    }

    /// Sends one report. The pacer lets no other one pass until this returns.
    private func send(_ report: StageReport) async throws {
        defer { state.withLock { $0.pacer.didSend() } }
        do {
            switch try await store.report(report, for: claim) {
            case .goOn: return
            case .canceling: endAttempt(.canceling)
            case .lost: endAttempt(.lost)
            }
        } catch JournalError.overloaded, JournalError.cannotPersist {
            // A lost report does no harm, because a later one can follow. The attempt goes on.
            logger.debug("dropped a progress report, because the journal cannot store it now")
            state.withLock { state in
                state.last = nil
                if let checkpoint = report.checkpoint { state.checkpoints.putBack(checkpoint) }
            }
        } catch let error as JournalError {
            logger.notice(
                "stopped an attempt, because the journal rejected its report", metadata: ["error": "\(error)"])
            endAttempt(.lost)
        } catch {
            if let checkpoint = report.checkpoint { state.withLock { $0.checkpoints.putBack(checkpoint) } }
            throw error
        }
    }

    /// Stores an artifact. The store retries nothing, so the runner decides what a failure means.
    /// - Throws: `CancellationError` if the attempt must end; ``StageFailure`` if the name is
    ///   taken.
    func register(_ artifact: Artifact) async throws {
        try Task.checkCancellation()
        guard stop == nil else { throw CancellationError() }
        do {
            switch try await store.register(artifact, for: claim) {
            case .goOn: return
            case .canceling: endAttempt(.canceling)
            case .lost: endAttempt(.lost)
            }
        } catch JournalError.refused(.artifactNameTaken) {
            throw StageFailure.artifactNameTaken(artifact.name)
        }
        throw CancellationError()
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
