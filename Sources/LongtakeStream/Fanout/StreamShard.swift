import LongtakeCore
import NIOCore
import Synchronization

/// Something on an event loop that follows one job's log.
protocol LogListener: AnyObject {
    /// An event was committed; several of one commit come one after the other.
    func take(_ frame: EventFrame)
    /// Events up to `head` were committed, and the frames of some did not arrive.
    func gap(upTo head: EventSequence)
    /// That was all for now: join what was written into one flush, and read what is missing.
    func settle()
    /// The daemon stops: do not wait any longer.
    func drain()
}

/// The part of the fan-out that belongs to one event loop: who follows which job there, and their timing wheel.
///
/// The writer puts frames into the mailbox from its own thread; all else happens on the loop.
final class StreamShard: Sendable {
    let loop: any EventLoop
    private let inbox: Mutex<Inbox>
    private let table: NIOLoopBoundBox<Table>

    /// What the writer sees.
    private struct Inbox {
        var mailbox: Mailbox
        /// Jobs that somebody on this loop follows, with how many do.
        var followers: [JobID: Int] = [:]
    }

    private struct Table {
        var listeners: [JobID: [ObjectIdentifier: any LogListener]] = [:]
        /// The newest event of each followed job that this loop has seen.
        var heads: [JobID: EventSequence] = [:]
        var streams: [ObjectIdentifier: StreamSubscriber] = [:]
        var wheel = TimingWheel<StreamSubscriber>(slots: 256)
        var isTurning = false
        var turnedAt = NIODeadline.uptimeNanoseconds(0)
    }

    /// The resolution of heartbeats, deadlines and drains.
    static let tick: Duration = .milliseconds(250)
    private static let counter = TickCounter(tick: tick)

    init(loop: any EventLoop) {
        self.loop = loop
        inbox = Mutex(Inbox(mailbox: Mailbox(capacityBytes: Limits.mailboxBytes)))
        table = NIOLoopBoundBox.makeBoxSendingValue(Table(), eventLoop: loop)
    }

    // MARK: The writer's side

    /// Whether somebody here follows one of these jobs.
    func follows(_ job: JobID) -> Bool {
        inbox.withLock { $0.followers[job] != nil }
    }

    /// Takes the frames of one commit that somebody here follows, and has them delivered on the loop.
    func post(_ frames: [EventFrame]) {
        let isFirst = inbox.withLock { inbox in
            var isFirst = false
            for frame in frames where inbox.followers[frame.job] != nil {
                isFirst = inbox.mailbox.put(frame) || isFirst
            }
            return isFirst
        }
        if isFirst { loop.execute { self.deliver() } }
    }

    // MARK: The loop's side

    /// From here on `listener` is told of every event of `job` that commits; so register first, then read.
    func register(_ listener: any LogListener, for job: JobID) {
        table.value.listeners[job, default: [:]][ObjectIdentifier(listener)] = listener
        inbox.withLock { $0.followers[job, default: 0] += 1 }
    }

    func unregister(_ listener: any LogListener, from job: JobID) {
        guard table.value.listeners[job]?.removeValue(forKey: ObjectIdentifier(listener)) != nil else { return }
        if table.value.listeners[job]?.isEmpty == true {
            table.value.listeners[job] = nil
            table.value.heads[job] = nil
        }
        inbox.withLock { inbox in
            let others = (inbox.followers[job] ?? 1) - 1
            inbox.followers[job] = others > 0 ? others : nil
        }
    }

    /// The newest event of a followed job that this loop has seen.
    func head(of job: JobID) -> EventSequence? { table.value.heads[job] }

    private func deliver() {
        let delivery = inbox.withLock { $0.mailbox.take() }
        var touched: [ObjectIdentifier: any LogListener] = [:]
        for frame in delivery.frames {
            note(head: frame.sequence, of: frame.job)
            for (id, listener) in table.value.listeners[frame.job] ?? [:] {
                listener.take(frame)
                touched[id] = listener
            }
        }
        for (job, head) in delivery.gaps {
            note(head: head, of: job)
            for (id, listener) in table.value.listeners[job] ?? [:] {
                listener.gap(upTo: head)
                touched[id] = listener
            }
        }
        for listener in touched.values { listener.settle() }
    }

    private func note(head: EventSequence, of job: JobID) {
        guard table.value.listeners[job] != nil else { return }
        table.value.heads[job] = max(head, table.value.heads[job] ?? .beforeFirst)
    }
}

extension StreamShard {
    // MARK: Streams and their deadlines

    /// Lets everything that only waits here go on.
    func wakeWaiters() {
        for listener in table.value.listeners.values.flatMap(\.values) { listener.drain() }
    }

    func add(_ stream: StreamSubscriber) { table.value.streams[ObjectIdentifier(stream)] = stream }

    func remove(_ stream: StreamSubscriber) { table.value.streams[ObjectIdentifier(stream)] = nil }

    var streams: [StreamSubscriber] { Array(table.value.streams.values) }

    /// The wheel's present tick.
    var now: Int { table.value.wheel.now }

    /// How many ticks `duration` takes, at least one.
    static func ticks(_ duration: Duration) -> Int { max(1, Int((duration / tick).rounded(.up))) }

    /// Calls the stream's `tick(_:)` at that tick.
    func schedule(_ stream: StreamSubscriber, at tick: Int) {
        table.value.wheel.schedule(stream, at: tick)
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
        for _ in 0..<Self.counter.ticks(in: elapsed) {
            let due = table.value.wheel.advance()
            let tick = table.value.wheel.now
            for stream in due { stream.tick(tick) }
        }
        if table.value.wheel.count > 0 {
            armTimer()
        } else {
            table.value.isTurning = false
        }
    }
}
