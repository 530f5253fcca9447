public import LongtakeCore

/// A place in the log that a stream reads: an event's number in a job's log, or its position in the feed of all jobs.
public struct LogPlace: Hashable, Comparable, Sendable {
    public let rawValue: Int64

    public init(_ sequence: EventSequence) { rawValue = sequence.rawValue }

    public init(_ position: EventPosition) { rawValue = position.rawValue }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// The newest known place of a log. Heads of different epochs cannot be compared.
struct LogHead: Hashable, Sendable {
    var epoch: Epoch
    var place: LogPlace
}

/// Which log a stream reads.
enum LogKey: Hashable, Sendable {
    case job(JobID)
    /// The events of all jobs.
    case feed
    /// None, so nothing is delivered.
    case nothing
}
