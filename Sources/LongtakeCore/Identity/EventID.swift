/// The number of an event in its job's log: 1, 2, 3 … without a gap. 0 stands for "before the first".
public struct EventSequence: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: Int64

    /// The place before the first event of a log.
    public static let beforeFirst = EventSequence(rawValue: 0)

    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    public var next: EventSequence { EventSequence(rawValue: rawValue + 1) }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    public var description: String { String(rawValue) }
}

/// The public name of an event in one job's log, `<epoch>-<seq>`: what a reader sends back as `Last-Event-ID`.
///
/// It stays within `[0-9a-z-]` and 40 bytes, so that a cross-origin reconnect needs no preflight (Fetch, CORS-safelisted
/// request-header).
public struct EventID: Hashable, Sendable, CustomStringConvertible {
    public let epoch: Epoch
    public let sequence: EventSequence

    public init(epoch: Epoch, sequence: EventSequence) {
        self.epoch = epoch
        self.sequence = sequence
    }

    public var description: String { "\(epoch)-\(sequence)" }
}

/// The place of an event among the events of all jobs, in commit order. Positions only grow, have gaps, and are never used twice.
public struct EventPosition: Hashable, Comparable, Sendable {
    public let rawValue: Int64

    /// The place before the first event of all.
    public static let beforeFirst = EventPosition(rawValue: 0)

    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
