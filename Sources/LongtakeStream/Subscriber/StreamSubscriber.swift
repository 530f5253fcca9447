import Logging
import LongtakeAPI
import LongtakeCore
import NIOCore

/// One reader of a log on its connection's event loop: performs what ``SubscriberState`` decides.
///
/// It is neither a task nor a queue: it holds a cursor, and the sink's bytes are bounded by the channel's watermark and one page.
public final class StreamSubscriber {
    let source: StreamSource
    let tenant: TenantName
    let form: WireForm
    let hub: StreamHub
    let shard: StreamShard
    private(set) var sink: (any StreamSink)?
    private var slot: StreamSlot?
    var owner: StreamOwner { slot?.owner ?? StreamOwner() }
    /// Of its registration with the shard; `nil` where it has none, because it ends as soon as it begins.
    private(set) var number: Int?
    var state: SubscriberState
    /// The epoch of the cursor. A page of another one resets the stream.
    var epoch: Epoch?
    var deadlines: StreamDeadlines
    /// Whether its signs of life are events that a page can see.
    let showsHeartbeat: Bool
    /// Whether the job may wait in a queue, as far as its last event tells.
    var mayWait = true
    /// The read for the next sign of life.
    var asking: QueueQuestion?
    /// In the feed: what pruning had removed when the stream began.
    var prunedThrough: EventPosition
    /// The last place whose id the reader was told. A filtered reader of the feed may be further.
    var told: LogPlace
    /// The page that is under way.
    var reading: Task<Void, Never>?
    /// The test event that is to come.
    var nextDiagnostic: Scheduled<Void>?

    init(_ opening: StreamOpening, hub: StreamHub, shard: StreamShard, sink: any StreamSink) {
        source = opening.source
        tenant = opening.tenant
        form = WireForm(format: opening.format, isFeed: opening.source.isFeed, framing: sink.framing)
        self.hub = hub
        self.shard = shard
        self.sink = sink
        slot = opening.slot
        state = SubscriberState(after: opening.cursor)
        epoch = opening.epoch
        told = opening.told ?? opening.cursor
        prunedThrough = opening.prunedThrough
        showsHeartbeat = opening.heartbeatEvents
        deadlines = StreamDeadlines(
            now: shard.now, heartbeat: StreamShard.ticks(opening.heartbeat ?? hub.configuration.heartbeat),
            writing: StreamShard.ticks(Limits.writeDeadline))
    }

    /// Begins with what the opening that it was made from holds.
    public func start(_ opening: StreamOpening) {
        hub.streamOpened()
        if !opening.isEnded {
            // In the table before the first read, so that no commit falls between the two.
            let number = shard.register(self, for: source.log, of: tenant)
            self.number = number
            shard.add(self, number)
            let ends = [(hub.drawAge(), StreamEnd.maxAge), (owner.lasting, .unauthorized)]
            for (time, reason) in ends {
                if let time { deadlines.end(byTick: shard.now + StreamShard.ticks(time), reason) }
            }
        }
        noteWaiting(opening.events.last)
        // Also where it is empty: the response's head waits for it.
        send(form.framed(opening.events, behind: opening.prelude))
        if opening.isEnded { return finish(opening.end.map(StreamClose.told) ?? .final) }
        if let plan = opening.diagnostics { begin(plan) } else { roomChanged() }
        if hub.isDraining {
            end(after: 1, .draining)
        } else if !hub.configuration.isLetIn(owner) {
            // It was, when it asked.
            end(after: 1, .unauthorized)
        }
    }

    // MARK: What the connection says

    /// Room for the first page, or the channel's writability changed.
    public func roomChanged() {
        guard let sink else { return }
        perform(state.roomChanged(sink.hasRoom))
    }

    /// The kernel has taken one more of the pieces that it had not taken at once.
    public func kernelTook() { deadlines.kernelTook(at: shard.now) }

    /// The other side will send no more. It may still read, or be gone altogether, which only a write finds out: the kernel of a peer that is
    /// gone answers it with a reset. So the stream says at once that it lives, and once more behind that.
    public func inputClosed() {
        guard sink != nil else { return }
        send(showsHeartbeat ? .heartbeatEvent(queuePosition: nil) : .heartbeat)
        guard sink != nil else { return }
        deadlines.probe(at: shard.now + StreamShard.ticks(Self.secondProbe))
        scheduleNext()
    }

    /// Longer than a packet takes to any reader, and shorter than anybody waits for a place.
    private static let secondProbe: Duration = .seconds(1)

    /// The connection is gone. The job goes on.
    public func connectionClosed() {
        state.end()
        leave()
    }

    // MARK: Performing

    func perform(_ action: SubscriberState.Action) {
        switch action {
        case .nothing:
            break
        case .read(let cursor):
            read(after: cursor)
        case .end:
            finish(.final)
        }
    }

    func send(_ bytes: ByteBuffer) {
        guard let sink else { return }
        deadlines.wrote(at: shard.now)
        deadlines.kernelRefused(sink.send(bytes), at: shard.now)
        scheduleNext()
    }

    /// Writes messages of the stream itself, all at once.
    func send(_ frames: [ControlFrame]) {
        var bytes = ByteBuffer()
        for frame in frames { bytes.writeImmutableBuffer(frame.bytes(form.format)) }
        send(form.framed(bytes))
    }

    /// Writes a word of the stream itself.
    func send(_ frame: ControlFrame) { send(form.framed(frame.bytes(form.format))) }

    /// Writes events up to `place`; in the feed some or all may have been left out by the filter.
    func send(_ frames: [EventFrame], upTo place: LogPlace) {
        guard !frames.isEmpty else { return }
        send(form.framed(frames))
        noteWaiting(frames.last)
        if let last = frames.last { told = source.isFeed ? LogPlace(last.position) : place }
    }

    /// Where the reader stands beyond what it was told, so that it would resume too early.
    func takeUntold() -> FeedID? {
        guard source.isFeed, let epoch, state.cursor > told else { return nil }
        told = state.cursor
        return FeedID(epoch: epoch, position: EventPosition(rawValue: told.rawValue))
    }

    func finish(_ close: StreamClose) {
        guard let sink else { return }
        state.end()
        leave()
        sink.finish(close)
    }

    func abort(_ close: StreamClose) {
        guard let sink else { return }
        state.end()
        leave()
        sink.abort(close)
    }

    private func leave() {
        guard sink != nil else { return }
        sink = nil
        slot = nil
        reading?.cancel()
        reading = nil
        asking?.task.cancel()
        asking = nil
        nextDiagnostic?.cancel()
        nextDiagnostic = nil
        if let number {
            shard.unregister(number, from: source.log, of: tenant)
            shard.remove(number)
        }
        hub.streamClosed()
    }
}

extension StreamSubscriber: LogListener {
    func take(_ run: FrameRun) {
        // More than a page at once, after a pause of the loop: read in pages, so that what is under way to one reader has a bound.
        guard !run.isLong, run.epoch == epoch else { return gap(upTo: run.last, in: run.epoch) }
        switch state.takes(after: run.previous, upTo: run.last) {
        case .nothing:
            return settle()
        case .all:
            if !hasFilter, let bytes = run.bytes(form, of: tenant) {
                send(bytes)
                noteWaiting(run.frames.last)
                told = run.last
            } else {
                send(run.frames.filter(accepts), upTo: run.last)
            }
        case .rest:
            send(run.frames(behind: state.cursor).filter(accepts), upTo: run.last)
        }
        // Sending may find out that the connection is gone, and then all has ended before this goes on.
        guard sink != nil else { return }
        perform(state.wrote(upTo: run.last, isFinal: run.isFinal))
        settle()
    }

    func gap(upTo head: LogPlace, in epoch: Epoch) {
        guard epoch == self.epoch else { return readAgain() }
        state.gap(upTo: head)
        settle()
    }

    func readAgain() {
        roomChanged()
        perform(state.readAgain())
    }

    /// A stream is ended with a word to its reader, spread over time; ``end(after:_:)``.
    func drain() {}

    private func settle() {
        roomChanged()
        perform(state.settle())
    }

    private var hasFilter: Bool {
        if case .feed(let filter) = source { !filter.isEmpty } else { false }
    }

    private func accepts(_ frame: EventFrame) -> Bool {
        guard case .feed(let filter) = source else { return true }
        return frame.tenant == tenant && filter.accepts(job: frame.job, pipeline: frame.pipeline, type: frame.type)
    }
}
