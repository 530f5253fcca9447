import LongtakeCore

/// Decides when a checkpoint is stored whose report was dropped. It is a pure value.
///
/// A checkpoint is normally stored with its report. If pacing drops the report, the newest
/// checkpoint waits here. It is stored with the next report, or alone when ``interval`` has passed
/// since the last one, or when the attempt is interrupted.
struct CheckpointPacer: Sendable {
    private let interval: Duration
    private var waiting: JSONValue?
    /// When a checkpoint was last stored, or the beginning of the attempt.
    private var lastStored = Duration.zero

    init(interval: Duration = EngineLimits.checkpointInterval) { self.interval = interval }

    /// Whether a checkpoint waits to be stored.
    var isWaiting: Bool { waiting != nil }

    /// The runner has told a checkpoint, which replaces the one that waits.
    mutating func add(_ checkpoint: JSONValue) { waiting = checkpoint }

    /// Whether to store the checkpoint without a report.
    func isDue(at elapsed: Duration) -> Bool { waiting != nil && elapsed - lastStored >= interval }

    /// Takes the checkpoint that waits, to store it now.
    mutating func take(at elapsed: Duration) -> JSONValue? {
        guard let waiting else { return nil }
        self.waiting = nil
        lastStored = elapsed
        return waiting
    }

    /// A checkpoint could not be stored. It waits again, unless a newer one does.
    mutating func putBack(_ checkpoint: JSONValue) { waiting = waiting ?? checkpoint }
}
