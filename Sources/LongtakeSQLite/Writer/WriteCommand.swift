import GRDB
import LongtakeCore

/// One command on its way to the disk, with the caller that waits for it.
struct WriteCommand: Sendable {
    let kind: CommandKind
    /// Until when a vital one is tried again; `nil` for as long as it takes, since a worker has nothing else to do.
    var deadline: ContinuousClock.Instant?
    /// Judges and writes. Returns what to tell the caller once it is durable.
    let run: @Sendable (JobLedger, Database) throws -> @Sendable () -> Void
    let fail: @Sendable (any Error) -> Void
}
