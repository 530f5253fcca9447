import LongtakeCore
import NIOCore

/// Consecutive events of one log, on their way to its listeners on one event loop. The bytes of
/// each wire form are built once and shared.
final class FrameRun {
    let frames: [EventFrame]
    /// The offset right before the first event.
    let previous: LogOffset
    let last: LogOffset
    let epoch: Epoch
    /// Whether the last event ends the log.
    let isFinal: Bool
    /// Whether the run is longer than a page may be.
    let isLong: Bool
    private let log: LogKey
    /// The tenant of all events; `nil` if there are several.
    private let tenant: TenantName?
    private var cache: [(form: WireForm, bytes: ByteBuffer)] = []

    /// - Parameter frames: at least one, in order. If an event is missing between them, or the
    ///   epoch changes, the run contains only the events after that.
    init(_ frames: [EventFrame], of log: LogKey) {
        let isFeed = log == .feed
        var start = frames.count - 1
        while start > 0, Self.follows(frames[start], frames[start - 1], isFeed) { start -= 1 }
        self.frames = start == 0 ? frames : Array(frames[start...])
        self.log = log
        isLong = self.frames.count > 1 && self.frames.reduce(0) { $0 + $1.byteCount } > Limits.bytesPerPage
        let (first, end) = (frames[start], frames[frames.count - 1])
        previous =
            isFeed ? LogOffset(first.previous) : LogOffset(EventSequence(rawValue: first.sequence.rawValue - 1))
        last = isFeed ? LogOffset(end.position) : LogOffset(end.sequence)
        epoch = end.id.epoch
        isFinal = !isFeed && end.isFinal
        tenant = !isFeed || self.frames.allSatisfy { $0.tenant == first.tenant } ? first.tenant : nil
    }

    /// The bytes of all events, for streams without a filter; `nil` if some events belong to
    /// another tenant.
    func bytes(_ form: WireForm, of tenant: TenantName) -> ByteBuffer? {
        guard self.tenant == tenant else { return nil }
        if let cached = cache.first(where: { $0.form == form }) { return cached.bytes }
        let bytes = form.framed(frames)
        cache.append((form, bytes))
        return bytes
    }

    /// The events after `offset`.
    func frames(after offset: LogOffset) -> [EventFrame] {
        frames.filter { (log == .feed ? LogOffset($0.position) : LogOffset($0.sequence)) > offset }
    }

    private static func follows(_ frame: EventFrame, _ before: EventFrame, _ isFeed: Bool) -> Bool {
        frame.id.epoch == before.id.epoch
            && (isFeed ? frame.previous == before.position : frame.sequence == before.sequence.next)
    }
}
