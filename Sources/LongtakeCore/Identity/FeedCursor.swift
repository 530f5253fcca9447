/// The id of an event in the feed of all jobs, `<epoch>-g<position>`: the SSE `id:` of the feed.
///
/// Like ``EventID``, it has at most 40 bytes in `[0-9a-z-]`. The `g` distinguishes the two.
public struct FeedID: Hashable, Sendable, CustomStringConvertible {
    public let epoch: Epoch
    public let position: EventPosition

    public init(epoch: Epoch, position: EventPosition) {
        self.epoch = epoch
        self.position = position
    }

    public var description: String { "\(epoch)-g\(position.rawValue)" }
}

/// The last event of the feed that a reader has seen, as the reader sent it. Reading continues
/// after it.
public enum FeedCursor: Hashable, Sendable {
    /// The reader sent nothing. Reading starts with the next event.
    case now
    /// The reader sent `0`. Reading starts with the first event that is not pruned.
    case all
    case id(FeedID)
    /// A number without an epoch: a position of the current epoch.
    case position(EventPosition)
    /// Any other text. The response repeats it, so that the reader sees what was malformed.
    case malformed(String)

    /// Parses the text of a `Last-Event-ID` header or of a query parameter. An empty text counts as
    /// absent.
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

    /// Decides where reading continues.
    /// - Parameters:
    ///   - head: the newest position.
    ///   - pruned: the newest position that was pruned. A reader with an older cursor has missed
    ///     events.
    public func resolve(epoch: Epoch, head: EventPosition, prunedThrough pruned: EventPosition) -> FeedResolution {
        switch self {
        case .now: .after(head)
        case .all: .after(.beforeFirst)
        case .malformed: .refused(.malformed)
        case .id(let id) where id.epoch != epoch: .refused(.epoch)
        case .id(let id): Self.resolve(id.position, head, pruned)
        case .position(let position): Self.resolve(position, head, pruned)
        }
    }

    private static func resolve(
        _ position: EventPosition, _ head: EventPosition, _ pruned: EventPosition
    ) -> FeedResolution {
        if position > head { return .refused(.ahead) }
        // `stream.hello` contains this id if the reader sent `0`.
        if position == .beforeFirst { return .after(position) }
        return position < pruned ? .refused(.pruned) : .after(position)
    }

    /// The text of the cursor; empty if the reader sent none.
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

/// Where reading of the feed continues, or why the cursor is refused.
public enum FeedResolution: Hashable, Sendable {
    /// Reading continues after this position.
    case after(EventPosition)
    case refused(CursorRefusal)
}
