/// Where one reader of a log is, as a value: what it may be given next so that nothing is missing and nothing comes twice.
///
/// ```text
///                 page(short, cursor = known head)
///   replaying ─────────────────────────────────────► live ──┐ run behind the cursor: written
///    ▲  │  ▲                                          │  ▲──┘
///    │  │  └───────────── run beyond a gap ───────────┤
///    │  │ page, no room                               │ run, no room
///    │  ▼                                             ▼
///    └─ behind ◄──────────────────────────────────────┘        a final event written, from anywhere: ended
///       room
/// ```
/// The reader stands in its loop's table before its first read, so a commit is either in a page or comes as a frame, and may be
/// both. While replaying, frames only raise the known head: the page that is being read may be older than them.
struct SubscriberState: Hashable, Sendable {
    enum Phase: Hashable, Sendable {
        /// A page is being read.
        case replaying
        /// There is more to read once the connection has room.
        case behind
        /// All that is known is written, and the next frame is written as it comes.
        case live
        /// Nothing more is to be written.
        case ended
    }

    /// What the shell is to do next, after it has written what it was given.
    enum Action: Hashable, Sendable {
        case nothing
        /// Read a page behind this event.
        case read(after: LogPlace)
        /// End the body: the final event is written.
        case end
    }

    private(set) var phase: Phase
    /// The last event that was written.
    private(set) var cursor: LogPlace
    /// The newest event that is known to exist.
    private(set) var knownHead: LogPlace
    private var hasRoom = false
    /// Whether the page that is being read may be too old.
    private var needsAnotherPage = false

    /// A reader that has all up to `cursor`. It begins to read when it is told that there is room.
    init(after cursor: LogPlace) {
        phase = .behind
        self.cursor = cursor
        knownHead = cursor
    }

    /// What a live reader takes of a run.
    enum Taking: Hashable, Sendable {
        case nothing
        /// Every event of it.
        case all
        /// Those behind the cursor.
        case rest
    }

    /// Consecutive committed events arrived from the fan-out, the first right behind `previous`. Write what is taken, then call
    /// ``wrote(upTo:isFinal:)``.
    mutating func takes(after previous: LogPlace, upTo last: LogPlace) -> Taking {
        knownHead = max(knownHead, last)
        guard phase == .live, hasRoom, previous <= cursor, cursor < last else { return .nothing }
        return previous == cursor ? .all : .rest
    }

    /// What ``takes(after:upTo:)`` allowed was written.
    mutating func wrote(upTo last: LogPlace, isFinal: Bool) -> Action {
        precondition(phase == .live && last > cursor, "only what is behind the cursor is written to a live reader")
        cursor = last
        guard isFinal else { return .nothing }
        phase = .ended
        return .end
    }

    /// Events up to `head` were committed that did not arrive.
    mutating func gap(upTo head: LogPlace) { knownHead = max(knownHead, head) }

    /// Nobody knows what is new. Only a page that is read after this tells.
    mutating func readAgain() -> Action {
        switch phase {
        case .live: return readOrWait()
        case .replaying: needsAnotherPage = true
        case .behind, .ended: break
        }
        return .nothing
    }

    /// All that was committed was offered. A live reader that did not take the newest has a gap, and reads.
    mutating func settle() -> Action {
        phase == .live && cursor < knownHead ? readOrWait() : .nothing
    }

    /// A page was read and its events, if any, were written.
    /// - Parameters:
    ///   - last: how far the page goes, the place of its last event or beyond; `nil` where it moves the reader nowhere.
    ///   - head: the head of the log in the same read.
    ///   - isFinal: whether that head is a final event.
    mutating func readPage(last: LogPlace?, head: LogPlace, isFinal: Bool) -> Action {
        guard phase == .replaying else { return .nothing }
        if let last {
            precondition(last > cursor, "a page begins behind the cursor")
            cursor = last
        }
        knownHead = max(knownHead, head)
        if isFinal && cursor == head {
            phase = .ended
            return .end
        }
        if cursor == knownHead && !needsAnotherPage {
            phase = .live
            return .nothing
        }
        return readOrWait()
    }

    /// The connection has room for more, or has no more.
    mutating func roomChanged(_ hasRoom: Bool) -> Action {
        self.hasRoom = hasRoom
        return hasRoom && phase == .behind ? readOrWait() : .nothing
    }

    /// The second line of defence, at every heartbeat: a live reader behind what the loop has seen reads the log.
    mutating func compare(with head: LogPlace) -> Action {
        knownHead = max(knownHead, head)
        return settle()
    }

    /// The stream ends for a reason of its own, or the connection is gone.
    mutating func end() { phase = .ended }

    private mutating func readOrWait() -> Action {
        guard hasRoom else {
            phase = .behind
            return .nothing
        }
        phase = .replaying
        needsAnotherPage = false
        return .read(after: cursor)
    }
}
