/// What a reader says it has already seen of one job's log, as it was sent.
///
/// A cursor is exclusive: reading goes on after it. Reading it off a request never fails; whether it can be honoured depends on
/// the log, and ``resolve(epoch:head:)`` decides that.
public enum Cursor: Hashable, Sendable {
    /// Nothing was sent, or `0`: from the first event.
    case start
    /// An id that we, or another database, gave out.
    case event(EventID)
    /// A bare number, taken as a `seq` of the current epoch.
    case sequence(EventSequence)
    /// Anything else, kept for telling the reader what was not understood.
    case malformed(String)

    /// Reads the text of a `Last-Event-ID` header or a query value. Empty counts as absent.
    public init(_ text: String?) {
        guard let text, !text.isEmpty else {
            self = .start
            return
        }
        if let number = Self.number(text) {
            self = number == 0 ? .start : .sequence(EventSequence(rawValue: number))
            return
        }
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let epoch = Epoch(parts[0]), let number = Self.number(parts[1]) else {
            self = .malformed(text)
            return
        }
        self = .event(EventID(epoch: epoch, sequence: EventSequence(rawValue: number)))
    }

    /// Decides where reading goes on in a log of `epoch` whose last event is `head`.
    public func resolve(epoch: Epoch, head: EventSequence) -> CursorResolution {
        switch self {
        case .start:
            return .after(.beforeFirst)
        case .event(let id) where id.epoch != epoch:
            return .refused(.epoch)
        case .event(let id):
            return id.sequence <= head ? .after(id.sequence) : .refused(.ahead)
        case .sequence(let sequence):
            return sequence <= head ? .after(sequence) : .refused(.ahead)
        case .malformed:
            return .refused(.malformed)
        }
    }

    /// The cursor as the reader spelled it, empty where none was sent.
    public var text: String {
        switch self {
        case .start: ""
        case .event(let id): id.description
        case .sequence(let sequence): sequence.description
        case .malformed(let text): text
        }
    }

    /// A decimal number of ASCII digits within 63 bits; no sign, no space.
    static func number(_ text: some StringProtocol) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }
}

/// Whether a cursor is honoured.
public enum CursorResolution: Hashable, Sendable {
    /// Reading goes on after this event.
    case after(EventSequence)
    case refused(CursorRefusal)
}

/// Why a cursor cannot be honoured; the raw value is the `reason` of `stream.reset`.
public enum CursorRefusal: String, Hashable, Sendable, CaseIterable {
    /// It names another database, or this one before a restore.
    case epoch
    /// It names an event that this log does not have yet.
    case ahead
    /// Events behind it were removed since (only for the feed of all jobs).
    case pruned
    /// It is no cursor.
    case malformed
}
