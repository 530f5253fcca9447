import LongtakeCore

/// When memory that is free is to be given back to the system: once a great coming and going of streams is over, and not in the middle of
/// it, since it takes milliseconds in which others wait for memory.
struct Housekeeping: Hashable, Sendable {
    /// How often the hub looks.
    static let period = Limits.readPeriod
    /// Streams that came or went in a period, above which it is a great coming and going.
    private static let many = 500
    private static let manyBytes = 8 * 1024 * 1024

    /// Streams that came or went since the last look.
    var changes = 0
    private var isDue = false

    /// To be called once a period.
    /// - Parameter dropped: bytes that were let go in it.
    mutating func isMemoryDue(dropped: Int) -> Bool {
        defer { changes = 0 }
        if changes >= Self.many || dropped >= Self.manyBytes { isDue = true }
        guard isDue, changes < Self.many else { return false }
        isDue = false
        return true
    }
}
