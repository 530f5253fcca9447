import LongtakeCore
import LongtakeTesting

/// One command on its way to the disk, with the caller that waits for it.
struct WriteCommand {
    enum Kind {
        /// So many may wait, and no more.
        case submission
        /// Kept until there is room: without it a worker or a user would wait for ever.
        case vital
        case other
    }

    let kind: Kind
    /// The claim in whose name it is written.
    let author: ClaimID?
    /// Judges and writes. Returns what to tell the caller once it is durable.
    let run: (inout MemoryLedger, ClockReading) throws -> () -> Void
    let fail: (any Error) -> Void
}
