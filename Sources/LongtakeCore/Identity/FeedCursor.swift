/// The public name of an event in the feed of all jobs, `<epoch>-g<position>`: the SSE `id:` there.
///
/// Within `[0-9a-z-]` and 40 bytes like ``EventID``, and never to be taken for one.
public struct FeedID: Hashable, Sendable, CustomStringConvertible {
    public let epoch: Epoch
    public let position: EventPosition

    public init(epoch: Epoch, position: EventPosition) {
        self.epoch = epoch
        self.position = position
    }

    public var description: String { "\(epoch)-g\(position.rawValue)" }
}

/// What a reader of the feed says it has already seen, as it was sent. Exclusive, like ``Cursor``.
public enum FeedCursor: Hashable, Sendable {
    /// Nothing was sent: the feed begins now.
    case now
    /// `0`: everything that is kept.
    case all
    case id(FeedID)
    /// A bare number, taken as a position of the current epoch.
    case position(EventPosition)
    /// Anything else, kept for telling the reader what was not understood.
    case malformed(String)

    /// Reads the text of a `Last-Event-ID` header or a query value. Empty counts as absent.
    public init(_ text: String?) {
        guard let text, !text.isEmpty else {
            self = .now
            return
        }
        if let number = Cursor.number(text) {
            self = number == 0 ? .all : .position(EventPosition(rawValue: number))
            return
        }
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].utf8.first == UInt8(ascii: "g"), let epoch = Epoch(parts[0]),
            let number = Cursor.number(parts[1].dropFirst())
        else {
            self = .malformed(text)
            return
        }
        self = .id(FeedID(epoch: epoch, position: EventPosition(rawValue: number)))
    }

    /// Decides where reading goes on.
    /// - Parameters:
    ///   - head: the newest position there is.
    ///   - pruned: the newest position that was removed; whoever stands before it has missed something.
    public func resolve(epoch: Epoch, head: EventPosition, prunedThrough pruned: EventPosition) -> FeedResolution {
        switch self {
        case .now: .after(head)
        case .all: .after(.beforeFirst)
        case .malformed: .refused(.malformed)
        case .id(let id) where id.epoch != epoch: .refused(.epoch)
        case .id(let id): Self.place(id.position, head, pruned)
        case .position(let position): Self.place(position, head, pruned)
        }
    }

    private static func place(
        _ position: EventPosition, _ head: EventPosition, _ pruned: EventPosition
    ) -> FeedResolution {
        if position > head { return .refused(.ahead) }
        // The id that the hello gives to who asked for everything.
        if position == .beforeFirst { return .after(position) }
        return position < pruned ? .refused(.pruned) : .after(position)
    }

    /// The cursor as the reader spelled it, empty where none was sent.
    public var text: String {
        switch self {
        case .now: ""
        case .all: "0"
        case .id(let id): id.description
        case .position(let position): String(position.rawValue)
        case .malformed(let text): text
        }
    }
}

/// Whether a cursor of the feed is honoured.
public enum FeedResolution: Hashable, Sendable {
    /// Reading goes on after this position.
    case after(EventPosition)
    case refused(CursorRefusal)
}
