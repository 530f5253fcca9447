public import LongtakeCore

/// A page of one job's log, encoded.
public struct FramePage: Sendable {
    /// In order, beginning right after the cursor.
    public var frames: [EventFrame]
    /// The last event of the log, as of this page.
    public var head: EventSequence
    /// Whether the head is a final event.
    public var isFinal: Bool
    /// The epoch of the head and of all events.
    public var epoch: Epoch

    init(_ page: EventPage) {
        frames = page.events.map { EventFrame($0) }
        head = page.head
        isFinal = page.isFinal
        epoch = page.epoch
    }

    private init(frames: [EventFrame], head: EventSequence, epoch: Epoch) {
        self.frames = frames
        self.head = head
        isFinal = false
        self.epoch = epoch
    }

    /// As much of `frames` as a page holds.
    static func cut(_ frames: ArraySlice<EventFrame>, head: EventSequence, epoch: Epoch) -> FramePage {
        var bytes = 0
        let page = frames.prefix(Limits.eventsPerPage).prefix { frame in
            bytes += frame.byteCount
            return bytes <= Limits.bytesPerPage || bytes == frame.byteCount
        }
        return FramePage(frames: Array(page), head: head, epoch: epoch)
    }

    /// The last event of the page.
    public var last: EventSequence? { frames.last?.sequence }

    /// Whether nothing that commits later can make this page another one: more follows already, or the log has ended.
    var isSettled: Bool { (last ?? head) < head || isFinal }
}
