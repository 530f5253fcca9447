import LongtakeCore

/// Frames on their way from the writer to one event loop: bounded in bytes, with at most one delivery under way.
///
/// What does not fit is dropped, but never silently: the head of its log is kept, so that the readers see a gap and read the log.
struct Mailbox: Sendable {
    struct Delivery: Sendable {
        /// In commit order.
        var frames: [EventFrame] = []
        /// Logs of which frames were dropped, with the newest place of them.
        var gaps: [LogKey: LogHead] = [:]
        /// Whether all readers are to read their logs.
        var readsAgain = false
    }

    private var delivery = Delivery()
    private var bytes = 0
    private var isDeliveryScheduled = false
    private let capacity: Int

    init(capacityBytes: Int) { capacity = capacityBytes }

    /// Puts a frame in. `true` when the caller has to schedule a delivery.
    mutating func put(_ frame: EventFrame) -> Bool {
        let size = frame.byteCount
        if bytes + size > capacity {
            delivery.gaps[.job(frame.job)] = LogHead(epoch: frame.id.epoch, place: LogPlace(frame.sequence))
            delivery.gaps[.feed] = LogHead(epoch: frame.id.epoch, place: LogPlace(frame.position))
        } else {
            delivery.frames.append(frame)
            bytes += size
        }
        defer { isDeliveryScheduled = true }
        return !isDeliveryScheduled
    }

    /// Has all readers read their logs. `true` when the caller has to schedule a delivery.
    mutating func readAgain() -> Bool {
        delivery.readsAgain = true
        defer { isDeliveryScheduled = true }
        return !isDeliveryScheduled
    }

    /// Takes everything out, on the loop.
    mutating func take() -> Delivery {
        defer {
            delivery = Delivery()
            bytes = 0
            isDeliveryScheduled = false
        }
        return delivery
    }
}
