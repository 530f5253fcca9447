/// The position of one stream in its log, as a value. It decides what the stream sends next, so
/// that no event is missing and none is sent twice.
///
/// ```text
///                 page(short, cursor = known head)
///   replaying ─────────────────────────────────────► live ──┐ run after the cursor: sent
///    ▲  │  ▲                                          │  ▲──┘
///    │  │  └───────────── run after a gap ────────────┤
///    │  │ page, not writable                          │ run, not writable
///    │  ▼                                             ▼
///    └─ behind ◄──────────────────────────────────────┘        final event sent, in any phase: ended
///       writable
/// ```
/// The stream is registered with its loop before its first read. So a committed event is in a page,
/// or arrives in a run, or both. While the stream is replaying, runs only raise the known head,
/// because the page in flight may be older than they are.
struct SubscriberState: Hashable, Sendable {
    enum Phase: Hashable, Sendable {
        /// A page is being read.
        case replaying
        /// There may be more to read, once the connection is writable.
        case behind
        /// Everything known is sent, and the next run is sent when it arrives.
        case live
        /// Nothing more is to be sent.
        case ended
    }

    /// What the stream does next, after it has sent what it was given.
    enum Action: Hashable, Sendable {
        case nothing
        /// Read a page after this event.
        case read(after: LogOffset)
        /// End the body, because the final event is sent.
        case end
    }

    /// Which events of a run are to be sent.
    enum Selection: Hashable, Sendable {
        case none
        case all
        /// Those after the cursor.
        case rest
    }

    private(set) var phase: Phase
    /// The last event that was sent.
    private(set) var cursor: LogOffset
    /// The newest event that is known to exist.
    private(set) var knownHead: LogOffset
    private var isWritable = false
    /// Whether the page in flight may be too old.
    private var needsAnotherPage = false

    /// A stream that has sent everything up to `cursor`. It reads when the connection is writable.
    init(after cursor: LogOffset) {
        phase = .behind
        self.cursor = cursor
        knownHead = cursor
    }

    /// A run of published events arrived. Send the selected ones, then call
    /// ``sent(upTo:isFinal:)``.
    mutating func select(after previous: LogOffset, upTo last: LogOffset) -> Selection {
        knownHead = max(knownHead, last)
        guard phase == .live, isWritable, previous <= cursor, cursor < last else { return .none }
        return previous == cursor ? .all : .rest
    }

    /// The events that ``select(after:upTo:)`` selected were sent.
    mutating func sent(upTo last: LogOffset, isFinal: Bool) -> Action {
        precondition(phase == .live && last > cursor, "a live stream sends only events after the cursor")
        cursor = last
        guard isFinal else { return .nothing }
        phase = .ended
        return .end
    }

    /// Events up to `head` were published, but did not arrive.
    mutating func gap(upTo head: LogOffset) { knownHead = max(knownHead, head) }

    /// Something unknown is new. Only a page that is read after this contains it.
    mutating func readAgain() -> Action {
        switch phase {
        case .live: return readOrWait()
        case .replaying: needsAnotherPage = true
        case .behind, .ended: break
        }
        return .nothing
    }

    /// A delivery has ended. A live stream without the newest event has a gap, and reads.
    mutating func deliveryEnded() -> Action {
        phase == .live && cursor < knownHead ? readOrWait() : .nothing
    }

    /// A page was read, and its events, if any, were sent.
    /// - Parameters:
    ///   - last: the new cursor, which is the last event of the page or beyond it; `nil` if the
    ///     cursor does not move.
    ///   - head: the head of the log in the same read.
    ///   - isFinal: whether the head is a final event.
    mutating func readPage(last: LogOffset?, head: LogOffset, isFinal: Bool) -> Action {
        guard phase == .replaying else { return .nothing }
        if let last {
            precondition(last > cursor, "a page begins after the cursor")
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

    /// The connection became writable, or is not writable any more.
    mutating func writabilityChanged(_ isWritable: Bool) -> Action {
        self.isWritable = isWritable
        return isWritable && phase == .behind ? readOrWait() : .nothing
    }

    /// Compares the cursor with what the loop has seen, at every heartbeat. This is a second line
    /// of defence: a live stream that misses an event reads the log.
    mutating func compare(with head: LogOffset) -> Action {
        knownHead = max(knownHead, head)
        return deliveryEnded()
    }

    /// The stream ends for another reason, or the connection is closed.
    mutating func end() { phase = .ended }

    private mutating func readOrWait() -> Action {
        guard isWritable else {
            phase = .behind
            return .nothing
        }
        phase = .replaying
        needsAnotherPage = false
        return .read(after: cursor)
    }
}
