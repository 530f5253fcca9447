import LongtakeCore
import NIOCore

/// Consecutive events of one log on their way to its readers on one loop. What a form looks like is put together once and shared.
final class FrameRun {
    let frames: [EventFrame]
    /// The place right before the first event.
    let previous: LogPlace
    let last: LogPlace
    let epoch: Epoch
    /// Whether the last event ends the log.
    let isFinal: Bool
    /// Whether it is more than one page may be.
    let isLong: Bool
    private let log: LogKey
    private let tenant: TenantName?
    private var shared: [(form: WireForm, bytes: ByteBuffer)] = []

    /// - Parameter frames: at least one, in order. Where they are not consecutive, the run is what comes behind the last hole.
    init(_ frames: [EventFrame], of log: LogKey) {
        let isFeed = log == .feed
        var start = frames.count - 1
        while start > 0, Self.follows(frames[start], frames[start - 1], isFeed) { start -= 1 }
        self.frames = start == 0 ? frames : Array(frames[start...])
        self.log = log
        isLong = self.frames.count > 1 && self.frames.reduce(0) { $0 + $1.byteCount } > Limits.bytesPerPage
        let (first, end) = (frames[start], frames[frames.count - 1])
        previous =
            isFeed ? LogPlace(first.previous) : LogPlace(EventSequence(rawValue: first.sequence.rawValue - 1))
        last = isFeed ? LogPlace(end.position) : LogPlace(end.sequence)
        epoch = end.id.epoch
        isFinal = !isFeed && end.isFinal
        tenant = !isFeed || self.frames.allSatisfy { $0.tenant == first.tenant } ? first.tenant : nil
    }

    /// All of it, for readers without a filter; `nil` where some events are not `tenant`'s.
    func bytes(_ form: WireForm, of tenant: TenantName) -> ByteBuffer? {
        guard self.tenant == tenant else { return nil }
        if let known = shared.first(where: { $0.form == form }) { return known.bytes }
        let bytes = form.framed(frames)
        shared.append((form, bytes))
        return bytes
    }

    /// The events behind `place`.
    func frames(behind place: LogPlace) -> [EventFrame] {
        frames.filter { (log == .feed ? LogPlace($0.position) : LogPlace($0.sequence)) > place }
    }

    private static func follows(_ frame: EventFrame, _ before: EventFrame, _ isFeed: Bool) -> Bool {
        frame.id.epoch == before.id.epoch
            && (isFeed ? frame.previous == before.position : frame.sequence == before.sequence.next)
    }
}
