/// The last event of a job's log that a reader has seen, as the reader sent it.
///
/// Reading continues after the cursor. Parsing never fails. Whether the cursor is valid depends on
/// the log: ``resolve(epoch:head:)`` decides it.
public enum Cursor: Hashable, Sendable {
    /// The reader sent nothing or `0`. Reading starts with the first event.
    case start
    /// An event id of this or of another database.
    case event(EventID)
    /// A number without an epoch: a `seq` of the current epoch.
    case sequence(EventSequence)
    /// Any other text. The response repeats it, so that the reader sees what was malformed.
    case malformed(String)

    /// Parses the text of a `Last-Event-ID` header or of a query parameter. An empty text counts as
    /// absent.
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

    /// Decides where reading continues in a log of `epoch` whose last event is `head`.
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

    /// The text of the cursor; empty if the reader sent none.
    public var text: String {
        switch self {
        case .start: ""
        case .event(let id): id.description
        case .sequence(let sequence): sequence.description
        case .malformed(let text): text
        }
    }

    /// Parses a decimal number of ASCII digits that fits into 63 bits. Signs and spaces are not
    /// allowed.
    static func number(_ text: some StringProtocol) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }
}

/// Where reading continues, or why the cursor is refused.
public enum CursorResolution: Hashable, Sendable {
    /// Reading continues after this event.
    case after(EventSequence)
    case refused(CursorRefusal)
}

/// Why a cursor is refused. The raw value is the `reason` of `stream.reset`.
public enum CursorRefusal: String, Hashable, Sendable, CaseIterable {
    /// Its epoch is that of another database, or of this one before a restore.
    case epoch
    /// Its event is not in this log yet.
    case ahead
    /// Events after it were pruned. Only cursors of the feed can get this reason.
    case pruned
    /// The text is not a cursor.
    case malformed
    /// It belongs to an earlier attempt of the stage. Only offsets in the log of a stage can get
    /// this reason.
    case attempt
}
