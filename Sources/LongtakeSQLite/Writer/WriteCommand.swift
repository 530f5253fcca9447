import GRDB
import LongtakeCore

/// One command on its way to the disk, with the caller that waits for it.
struct WriteCommand: Sendable {
    /// Tried again while the disk is full: without it a worker or a user would wait for ever.
    let isVital: Bool
    /// Judges and writes. Returns what to tell the caller once it is durable.
    let run: @Sendable (JobLedger, Database) throws -> @Sendable () -> Void
    let fail: @Sendable (any Error) -> Void
}
