import LongtakeCore
import NIOCore
import Synchronization

/// The part of the fan-out that belongs to one event loop: who follows which log there, and their timing wheel.
///
/// The writer puts frames into the mailbox from its own thread; all else happens on the loop.
final class StreamShard: Sendable {
    let loop: any EventLoop
    private let inbox: Mutex<Inbox>
    private let table: NIOLoopBoundBox<Table>

    /// What the writer sees.
    private struct Inbox {
        var mailbox: Mailbox
        /// Logs that somebody on this loop follows, with how many do.
        var followers: [LogKey: Int] = [:]
        /// The tenants of the followers, with the number of followers of each.
        var tenants: [TenantName: Int] = [:]

        func follows(_ job: JobID) -> Bool { followers[.feed] != nil || followers[.job(job)] != nil }
    }

    private struct Table {
        /// By number, so that the order in which readers are told is not one of addresses, and a simulation can repeat it.
        var listeners: [LogKey: [Int: any LogListener]] = [:]
        var lastNumber = 0
        /// The newest place of each followed log that this loop has seen.
        var heads: [LogKey: LogHead] = [:]
        var streams: [Int: StreamSubscriber] = [:]
        /// Of numbers, so that a stream that has ended is not kept until its next deadline.
        var wheel = TimingWheel<Int>(slots: 256)
        var isTurning = false
        var turnedAt = NIODeadline.uptimeNanoseconds(0)
        var counter = TickCounter(tick: StreamShard.tick)
    }

    /// The resolution of heartbeats, deadlines and drains.
    static let tick: Duration = .milliseconds(250)

    init(loop: any EventLoop, mailboxBytes: Int = Limits.mailboxBytes) {
        self.loop = loop
        inbox = Mutex(Inbox(mailbox: Mailbox(capacityBytes: mailboxBytes)))
        table = NIOLoopBoundBox.makeBoxSendingValue(Table(), eventLoop: loop)
    }

    // MARK: The writer's side

    /// Which of these events somebody here follows, by their index.
    func followed(_ events: [CommittedEvent]) -> [Int] {
        inbox.withLock { inbox in
            inbox.followers.isEmpty ? [] : events.indices.filter { inbox.follows(events[$0].job) }
        }
    }

    /// Takes the frames of one commit that somebody here follows, and has them delivered on the loop.
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

    /// Has all readers of this loop read their logs.
    func readAgain() {
        if inbox.withLock({ $0.mailbox.readAgain() }) { loop.execute { self.deliver() } }
    }

    /// The tenants of those who follow a log here.
    var tenants: Set<TenantName> { inbox.withLock { Set($0.tenants.keys) } }

    // MARK: The loop's side

    /// From here on `listener` is told of every event of the log that commits; so register first, then read.
    /// - Returns: its number on this loop, for ``unregister(_:from:of:)``.
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
            let others = (inbox.followers[log] ?? 1) - 1
            inbox.followers[log] = others > 0 ? others : nil
            guard log != .nothing else { return }
            let ofTenant = (inbox.tenants[tenant] ?? 1) - 1
            inbox.tenants[tenant] = ofTenant > 0 ? ofTenant : nil
        }
    }

    /// The newest place of a followed log that this loop has seen; `nil` if that is of another epoch.
    func head(of log: LogKey, in epoch: Epoch?) -> LogPlace? {
        table.value.heads[log].flatMap { $0.epoch == epoch ? $0.place : nil }
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
            for listener in listeners { listener.gap(upTo: head.place, in: head.epoch) }
        }
        guard delivery.readsAgain else { return }
        for listener in table.value.listeners.values.flatMap(\.values) { listener.readAgain() }
    }

    /// Puts the bytes together once and hands them to each reader.
    private func deliver(_ frames: [EventFrame], of log: LogKey) {
        guard !frames.isEmpty, table.value.listeners[log] != nil else { return }
        let run = FrameRun(frames, of: log)
        let head = LogHead(epoch: run.epoch, place: run.last)
        for listener in listeners(of: log, seeing: head) ?? [:].values { listener.take(run) }
    }

    /// The readers of a log, where it has any; notes how far it is.
    private func listeners(
        of log: LogKey, seeing head: LogHead
    ) -> Dictionary<Int, any LogListener>.Values? {
        guard let listeners = table.value.listeners[log] else { return nil }
        if let known = table.value.heads[log], known.epoch == head.epoch, known.place > head.place {
            return listeners.values
        }
        table.value.heads[log] = head
        return listeners.values
    }
}

extension StreamShard {
    // MARK: Streams and their deadlines

    /// Lets everything that only waits here go on.
    func wakeWaiters() {
        for listener in table.value.listeners.values.flatMap(\.values) { listener.drain() }
    }

    /// - Parameter number: of its registration.
    func add(_ stream: StreamSubscriber, _ number: Int) { table.value.streams[number] = stream }

    func remove(_ number: Int) { table.value.streams[number] = nil }

    var streams: [StreamSubscriber] { Array(table.value.streams.values) }

    /// The wheel's present tick.
    var now: Int { table.value.wheel.now }

    /// How many ticks `duration` takes, at least one.
    static func ticks(_ duration: Duration) -> Int { max(1, Int((duration / tick).rounded(.up))) }

    /// Calls the `tick(_:)` of the stream with that number at that tick.
    func schedule(_ number: Int, at tick: Int) {
        table.value.wheel.schedule(number, at: tick)
        guard !table.value.isTurning else { return }
        table.value.isTurning = true
        table.value.turnedAt = loop.now
        armTimer()
    }

    private func armTimer() {
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
            armTimer()
        } else {
            table.value.isTurning = false
        }
    }
}
