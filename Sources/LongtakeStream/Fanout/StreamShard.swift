import LongtakeCore
import NIOCore
import Synchronization

/// Follows a log on an event loop. All calls are made on that loop.
protocol LogListener: AnyObject {
    /// Consecutive events were published. They need not follow those of the last call.
    func receive(_ run: FrameRun)
    /// Events up to `head` were published, but some of them were dropped.
    func gap(upTo head: LogOffset, in epoch: Epoch)
    /// Something unknown is new, or the epoch has changed. The listener reads the log.
    func readAgain()
    /// The daemon shuts down. Waits end.
    func drain()
}

/// The part of the fan-out that belongs to one event loop: the listeners of each log, and the
/// deadlines of the streams.
///
/// The publisher posts frames from its own thread. Everything else happens on the loop.
final class StreamShard: Sendable {
    let loop: any EventLoop
    private let inbox: Mutex<Inbox>
    private let table: NIOLoopBoundBox<Table>

    /// What the publisher's thread uses.
    private struct Inbox {
        var mailbox: Mailbox
        /// The logs that have listeners on this loop, with the number of listeners.
        var followers: [LogKey: Int] = [:]
        /// The tenants of the listeners, with the number of listeners of each.
        var tenants: [TenantName: Int] = [:]

        func follows(_ job: JobID) -> Bool { followers[.feed] != nil || followers[.job(job)] != nil }
    }

    private struct Table {
        /// Ordered by registration number and not by address, so that a simulation can repeat the
        /// order.
        var listeners: [LogKey: [Int: any LogListener]] = [:]
        var lastNumber = 0
        /// The newest offset of each followed log that this loop has seen.
        var heads: [LogKey: LogHead] = [:]
        var streams: [Int: StreamSubscriber] = [:]
        /// It contains numbers, so that a stream that has ended is freed before its next deadline.
        var wheel = TimingWheel<Int>(slots: 256)
        var isTurning = false
        var turnedAt = NIODeadline.uptimeNanoseconds(0)
        var counter = TickCounter(tick: StreamShard.tick)
    }

    /// The resolution of heartbeats, deadlines and drains.
    static let tick: Duration = .milliseconds(250)

    init(loop: any EventLoop, mailboxBytes: Int = StreamLimits.mailboxBytes) {
        self.loop = loop
        inbox = Mutex(Inbox(mailbox: Mailbox(capacityBytes: mailboxBytes)))
        table = NIOLoopBoundBox.makeBoxSendingValue(Table(), eventLoop: loop)
    }

    // MARK: The publisher's thread

    /// The indices of the events that a listener here follows.
    func followed(_ events: [CommittedEvent]) -> [Int] {
        inbox.withLock { inbox in
            inbox.followers.isEmpty ? [] : events.indices.filter { inbox.follows(events[$0].job) }
        }
    }

    /// Takes the frames that a listener here follows, and delivers them on the loop.
    func post(_ frames: [EventFrame]) {
        let isFirst = inbox.withLock { inbox in
            var isFirst = false
            for frame in frames where inbox.follows(frame.job) {
                isFirst = inbox.mailbox.put(frame) || isFirst
            }
            return isFirst
        }
        if isFirst { loop.execute { self.deliver() } }
    }

    /// Makes all listeners of this loop read their logs.
    func readAgain() {
        if inbox.withLock({ $0.mailbox.readAgain() }) { loop.execute { self.deliver() } }
    }

    var tenants: Set<TenantName> { inbox.withLock { Set($0.tenants.keys) } }

    // MARK: Listeners

    /// From here on `listener` gets every event of the log that is published. So register first,
    /// then read.
    /// - Returns: the registration's number on this loop, for ``unregister(_:from:of:)``.
    func register(_ listener: any LogListener, for log: LogKey, of tenant: TenantName) -> Int {
        table.value.lastNumber += 1
        let number = table.value.lastNumber
        table.value.listeners[log, default: [:]][number] = listener
        inbox.withLock { inbox in
            inbox.followers[log, default: 0] += 1
            if log != .nothing { inbox.tenants[tenant, default: 0] += 1 }
        }
        return number
    }

    func unregister(_ number: Int, from log: LogKey, of tenant: TenantName) {
        guard table.value.listeners[log]?.removeValue(forKey: number) != nil else { return }
        if table.value.listeners[log]?.isEmpty == true {
            table.value.listeners[log] = nil
            table.value.heads[log] = nil
        }
        inbox.withLock { inbox in
            Self.decrement(&inbox.followers[log])
            if log != .nothing { Self.decrement(&inbox.tenants[tenant]) }
        }
    }

    private static func decrement(_ count: inout Int?) {
        let rest = (count ?? 1) - 1
        count = rest > 0 ? rest : nil
    }

    /// The newest offset of a followed log that this loop has seen; `nil` if it has another epoch.
    func head(of log: LogKey, in epoch: Epoch?) -> LogOffset? {
        table.value.heads[log].flatMap { $0.epoch == epoch ? $0.offset : nil }
    }

    private func deliver() {
        let delivery = inbox.withLock { $0.mailbox.take() }
        if delivery.frames.count == 1, let frame = delivery.frames.first {
            deliver(delivery.frames, of: .job(frame.job))
        } else {
            for (job, frames) in Dictionary(grouping: delivery.frames, by: \.job) { deliver(frames, of: .job(job)) }
        }
        deliver(delivery.frames, of: .feed)
        for (log, head) in delivery.gaps {
            guard let listeners = listeners(of: log, seeing: head) else { continue }
            for listener in listeners { listener.gap(upTo: head.offset, in: head.epoch) }
        }
        guard delivery.readsAgain else { return }
        for listener in table.value.listeners.values.flatMap(\.values) { listener.readAgain() }
    }

    /// Builds one run and gives it to each listener.
    private func deliver(_ frames: [EventFrame], of log: LogKey) {
        guard !frames.isEmpty, table.value.listeners[log] != nil else { return }
        let run = FrameRun(frames, of: log)
        let head = LogHead(epoch: run.epoch, offset: run.last)
        for listener in listeners(of: log, seeing: head) ?? [:].values { listener.receive(run) }
    }

    /// The listeners of a log, if it has any. Remembers the head.
    private func listeners(
        of log: LogKey, seeing head: LogHead
    ) -> Dictionary<Int, any LogListener>.Values? {
        guard let listeners = table.value.listeners[log] else { return nil }
        if let known = table.value.heads[log], known.epoch == head.epoch, known.offset > head.offset {
            return listeners.values
        }
        table.value.heads[log] = head
        return listeners.values
    }
}

extension StreamShard {
    // MARK: Streams and their deadlines

    /// Ends all waits on this loop.
    func endWaits() {
        for listener in table.value.listeners.values.flatMap(\.values) { listener.drain() }
    }

    /// - Parameter number: the number of the stream's registration.
    func add(_ stream: StreamSubscriber, _ number: Int) { table.value.streams[number] = stream }

    func remove(_ number: Int) { table.value.streams[number] = nil }

    var streams: [StreamSubscriber] { Array(table.value.streams.values) }

    /// The current tick of the wheel.
    var now: Int { table.value.wheel.now }

    /// The number of ticks in `duration`, at least one.
    static func ticks(_ duration: Duration) -> Int { max(1, Int((duration / tick).rounded(.up))) }

    /// Calls `tick(_:)` of the stream with that number at that tick.
    func schedule(_ number: Int, at tick: Int) {
        table.value.wheel.schedule(number, at: tick)
        guard !table.value.isTurning else { return }
        table.value.isTurning = true
        table.value.turnedAt = loop.now
        startTimer()
    }

    private func startTimer() {
        loop.scheduleTask(in: TimeAmount(Self.tick)) { self.turn() }
    }

    private func turn() {
        let now = loop.now
        let elapsed = Duration.nanoseconds((now - table.value.turnedAt).nanoseconds)
        table.value.turnedAt = now
        for _ in 0..<table.value.counter.ticks(in: elapsed) {
            let due = table.value.wheel.advance()
            let tick = table.value.wheel.now
            for number in due { table.value.streams[number]?.tick(tick) }
        }
        if table.value.wheel.count > 0 {
            startTimer()
        } else {
            table.value.isTurning = false
        }
    }
}

/// Frames on their way from the publisher to one event loop. Its size is bounded, and at most one
/// delivery is scheduled.
///
/// If a frame does not fit, it is dropped. The mailbox then keeps the head of its log, so that the
/// listeners detect the gap and read the log.
struct Mailbox: Sendable {
    struct Delivery: Sendable {
        /// In commit order.
        var frames: [EventFrame] = []
        /// The logs whose frames were dropped, with the newest offset of those.
        var gaps: [LogKey: LogHead] = [:]
        /// Whether all listeners are to read their logs.
        var readsAgain = false
    }

    private var delivery = Delivery()
    private var bytes = 0
    private var isDeliveryScheduled = false
    private let capacity: Int

    init(capacityBytes: Int) { capacity = capacityBytes }

    /// - Returns: whether the caller must schedule a delivery.
    mutating func put(_ frame: EventFrame) -> Bool {
        let size = frame.byteCount
        if bytes + size > capacity {
            delivery.gaps[.job(frame.job)] = LogHead(epoch: frame.id.epoch, offset: LogOffset(frame.sequence))
            delivery.gaps[.feed] = LogHead(epoch: frame.id.epoch, offset: LogOffset(frame.position))
        } else {
            delivery.frames.append(frame)
            bytes += size
        }
        return scheduleDelivery()
    }

    /// Makes all listeners read their logs.
    /// - Returns: whether the caller must schedule a delivery.
    mutating func readAgain() -> Bool {
        delivery.readsAgain = true
        return scheduleDelivery()
    }

    private mutating func scheduleDelivery() -> Bool {
        defer { isDeliveryScheduled = true }
        return !isDeliveryScheduled
    }

    /// Removes everything, for the delivery on the loop.
    mutating func take() -> Delivery {
        defer {
            delivery = Delivery()
            bytes = 0
            isDeliveryScheduled = false
        }
        return delivery
    }
}
