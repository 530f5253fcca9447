/// The number of an event in the log of its job: 1, 2, 3 … without a gap. 0 means “before the first
/// event”.
public struct EventSequence: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: Int64

    /// Before the first event of a log.
    public static let beforeFirst = EventSequence(rawValue: 0)

    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    public var next: EventSequence { EventSequence(rawValue: rawValue + 1) }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    public var description: String { String(rawValue) }
}

/// The id of an event in the log of its job, `<epoch>-<seq>`. A reader sends it back as
/// `Last-Event-ID`.
///
/// It has at most 40 bytes, all of them in `[0-9a-z-]`. So a cross-origin reconnect needs no
/// preflight request (Fetch, CORS-safelisted request-header).
public struct EventID: Hashable, Sendable, CustomStringConvertible {
    public let epoch: Epoch
    public let sequence: EventSequence

    public init(epoch: Epoch, sequence: EventSequence) {
        self.epoch = epoch
        self.sequence = sequence
    }

    public var description: String { "\(epoch)-\(sequence)" }
}

/// The number of an event among the events of all jobs, in commit order. Positions only increase,
/// may have gaps, and are never used twice.
public struct EventPosition: Hashable, Comparable, Sendable {
    public let rawValue: Int64

    /// Before the first event of all jobs.
    public static let beforeFirst = EventPosition(rawValue: 0)

    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
