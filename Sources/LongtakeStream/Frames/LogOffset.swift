public import LongtakeCore

/// An offset in the log that a stream reads: the number of an event in the log of its job, or its
/// position in the feed of all jobs. Offsets of different epochs cannot be compared.
public struct LogOffset: Hashable, Comparable, Sendable {
    public let rawValue: Int64

    public init(_ sequence: EventSequence) { rawValue = sequence.rawValue }

    public init(_ position: EventPosition) { rawValue = position.rawValue }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// The newest known offset of a log.
struct LogHead: Hashable, Sendable {
    var epoch: Epoch
    var offset: LogOffset
}

/// The log that a stream reads.
enum LogKey: Hashable, Sendable {
    case job(JobID)
    /// The events of all jobs.
    case feed
    /// No log, so nothing is delivered.
    case nothing
}
