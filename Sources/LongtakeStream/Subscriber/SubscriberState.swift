import LongtakeCore

/// Where one reader of a log is, as a value: what it may be given next so that nothing is missing and nothing comes twice.
///
/// ```text
///                 page(short, cursor = known head)
///   replaying ─────────────────────────────────────► live ──┐ frame(cursor + 1): written
///    ▲  │  ▲                                          │  ▲──┘
///    │  │  └──────────── frame beyond a gap ──────────┤
///    │  │ page, no room                               │ frame, no room
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
        case read(after: EventSequence)
        /// End the body: the final event is written.
        case end
    }

    private(set) var phase: Phase
    /// The last event that was written.
    private(set) var cursor: EventSequence
    /// The newest event that is known to exist.
    private(set) var knownHead: EventSequence
    private var hasRoom = false

    /// A reader that has all up to `cursor`. It begins to read when it is told that there is room.
    init(after cursor: EventSequence) {
        phase = .behind
        self.cursor = cursor
        knownHead = cursor
    }

    /// A committed event arrived from the fan-out. `true` when it is to be written now; then call ``wrote(_:isFinal:)``.
    mutating func takes(_ sequence: EventSequence) -> Bool {
        knownHead = max(knownHead, sequence)
        return phase == .live && hasRoom && sequence == cursor.next
    }

    /// The frame that ``takes(_:)`` allowed was written.
    mutating func wrote(_ sequence: EventSequence, isFinal: Bool) -> Action {
        precondition(phase == .live && sequence == cursor.next, "only the next event is written to a live reader")
        cursor = sequence
        guard isFinal else { return .nothing }
        phase = .ended
        return .end
    }

    /// All frames of one commit were offered. A live reader that did not take the newest has a gap, and reads.
    mutating func settle() -> Action {
        phase == .live && cursor < knownHead ? readOrWait() : .nothing
    }

    /// A page was read and its events, if any, were written.
    /// - Parameters:
    ///   - last: the page's last event; `nil` where it was empty.
    ///   - head: the head of the log in the same read.
    ///   - isFinal: whether that head is a final event.
    mutating func readPage(last: EventSequence?, head: EventSequence, isFinal: Bool) -> Action {
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
        if cursor == knownHead {
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
    mutating func compare(with head: EventSequence) -> Action {
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
        return .read(after: cursor)
    }
}
