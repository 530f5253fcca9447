import LongtakeAPI
import LongtakeCore
import NIOCore

/// One stream on the event loop of its connection. It performs what ``SubscriberState`` decides.
///
/// It is neither a task nor a queue, but holds only a cursor. The watermark of the channel and the
/// size of one page bound the bytes that wait for the client.
public final class StreamSubscriber {
    let source: StreamSource
    let tenant: TenantName
    let form: WireForm
    let hub: StreamHub
    let shard: StreamShard
    private(set) var sink: (any StreamSink)?
    private var slot: StreamSlot?
    var owner: StreamOwner { slot?.owner ?? StreamOwner() }
    /// The number of the registration with the shard; `nil` if the stream ends at once.
    private(set) var number: Int?
    var state: SubscriberState
    /// The epoch of the cursor. A page of another epoch resets the stream.
    private(set) var epoch: Epoch?
    var deadlines: StreamDeadlines
    /// Whether heartbeats are events.
    let heartbeatEvents: Bool
    /// Whether the job may wait in a queue, as far as its last event says.
    var mayBeQueued = true
    /// The read of the queue position for the next heartbeat.
    var positionRead: PositionRead?
    /// In the feed: the newest position that was already pruned when the stream started.
    var prunedThrough: EventPosition
    /// The offset of the last id that the client got. In a filtered feed the cursor may be further.
    private var lastSentID: LogOffset
    /// The read of the page in flight.
    var reading: Task<Void, Never>?
    /// The timer of the next test event.
    var nextDiagnostic: Scheduled<Void>?
    /// The log of a stage, if that is what the stream sends.
    var stageLog: StageLogPlan?
    /// The timer of the next text of it.
    var nextText: Scheduled<Void>?
    /// Which estimates the stream shows.
    var notice = EstimateNotice()
    /// The timer of the next estimate, or the read of the present one.
    var nextEstimate: Scheduled<Void>?
    var estimateRead: Task<Void, Never>?

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
        lastSentID = opening.lastSentID ?? opening.cursor
        prunedThrough = opening.prunedThrough
        stageLog = opening.stageLog
        heartbeatEvents = opening.heartbeatEvents
        deadlines = StreamDeadlines(
            now: shard.now, heartbeat: StreamShard.ticks(opening.heartbeat ?? hub.configuration.heartbeat),
            writeTimeout: StreamShard.ticks(StreamLimits.writeDeadline))
    }

    /// Starts the stream.
    /// - Parameter opening: the one that the stream was made from.
    public func start(_ opening: StreamOpening) {
        hub.streamOpened()
        if !opening.isEnded {
            // Before the first read, so that no event is missed between the two.
            let number = shard.register(self, for: source.log, of: tenant)
            self.number = number
            shard.add(self, number)
            let ends = [(hub.drawAge(), StreamEnd.maxAge), (owner.lifetime, .unauthorized)]
            for (time, reason) in ends {
                if let time { deadlines.end(byTick: shard.now + StreamShard.ticks(time), reason) }
            }
        }
        updateMayBeQueued(opening.events.last)
        // Even if there are no bytes, because this also sends the head of the response.
        send(form.framed(opening.events, after: opening.prelude))
        if opening.isEnded { return finish(opening.end.map(StreamClose.announced) ?? .final) }
        if let plan = opening.diagnostics { begin(plan) } else { writabilityChanged() }
        if opening.estimates { readEstimate() }
        // Both may have changed since the request was accepted.
        if hub.isDraining {
            end(after: 1, .draining)
        } else if !hub.configuration.isAuthorized(owner) {
            end(after: 1, .unauthorized)
        }
    }

    // MARK: Called by the connection

    /// The writability of the connection has changed.
    public func writabilityChanged() {
        guard let sink else { return }
        perform(state.writabilityChanged(sink.isWritable))
    }

    /// The kernel has taken a piece that it had not taken at once.
    public func pieceWritten() { deadlines.pieceWritten(at: shard.now) }

    /// The client has closed its sending side. It may still read, or it may have disconnected.
    ///
    /// Only a write finds that out, because the kernel of a disconnected client answers with a
    /// reset. So the stream sends a heartbeat now and another one a second later.
    public func inputClosed() {
        guard sink != nil else { return }
        send(heartbeatEvents ? .heartbeatEvent(queuePosition: nil) : .heartbeat)
        guard sink != nil else { return }
        deadlines.probe(at: shard.now + StreamShard.ticks(Self.probeDelay))
        scheduleNext()
    }

    /// Long enough for a packet to any client and back.
    private static let probeDelay: Duration = .seconds(1)

    /// The connection is closed. The job continues.
    public func connectionClosed() {
        state.end()
        leave()
    }

    // MARK: Sending

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
        deadlines.piecesQueued(sink.send(bytes), at: shard.now)
        scheduleNext()
    }

    /// Sends a message of the stream itself.
    func send(_ frame: ControlFrame) { send(form.framed(frame.bytes(form.format))) }

    /// Sends messages of the stream itself in one write.
    func send(_ frames: [ControlFrame]) {
        var bytes = ByteBuffer()
        for frame in frames { bytes.writeImmutableBuffer(frame.bytes(form.format)) }
        send(form.framed(bytes))
    }

    /// Sends the events up to `offset` that the filter of the feed accepts.
    func send(_ frames: [EventFrame], upTo offset: LogOffset) {
        guard !frames.isEmpty else { return }
        send(form.framed(frames))
        updateMayBeQueued(frames.last)
        if let last = frames.last { lastSentID = source.isFeed ? LogOffset(last.position) : offset }
    }

    /// The cursor of the feed, if the client does not have it yet and would resume too early. The
    /// caller sends it.
    func takeUnsentCursor() -> FeedID? {
        guard source.isFeed, let epoch, state.cursor > lastSentID else { return nil }
        lastSentID = state.cursor
        return FeedID(epoch: epoch, position: EventPosition(rawValue: lastSentID.rawValue))
    }

    /// Continues at an offset of another epoch, whose id the caller sends.
    func move(to offset: LogOffset, in epoch: Epoch) {
        self.epoch = epoch
        state = SubscriberState(after: offset)
        lastSentID = offset
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
        positionRead?.task.cancel()
        positionRead = nil
        nextDiagnostic?.cancel()
        nextDiagnostic = nil
        nextText?.cancel()
        nextText = nil
        nextEstimate?.cancel()
        nextEstimate = nil
        estimateRead?.cancel()
        estimateRead = nil
        if let number {
            shard.unregister(number, from: source.log, of: tenant)
            shard.remove(number)
        }
        hub.streamClosed()
    }
}

extension StreamSubscriber: LogListener {
    func receive(_ run: FrameRun) {
        // A run can be longer than a page if the loop was suspended. The stream then reads pages,
        // so that the bytes that wait for the client are bounded.
        guard !run.isLong, run.epoch == epoch else { return gap(upTo: run.last, in: run.epoch) }
        switch state.select(after: run.previous, upTo: run.last) {
        case .none:
            return deliveryEnded()
        case .all:
            if !hasFilter, let bytes = run.bytes(form, of: tenant) {
                send(bytes)
                updateMayBeQueued(run.frames.last)
                lastSentID = run.last
            } else {
                send(run.frames.filter(accepts), upTo: run.last)
            }
        case .rest:
            send(run.frames(after: state.cursor).filter(accepts), upTo: run.last)
        }
        // Sending may find the connection closed, and then the stream has ended.
        guard sink != nil else { return }
        perform(state.sent(upTo: run.last, isFinal: run.isFinal))
        deliveryEnded()
    }

    func gap(upTo head: LogOffset, in epoch: Epoch) {
        guard epoch == self.epoch else { return readAgain() }
        state.gap(upTo: head)
        deliveryEnded()
    }

    func readAgain() {
        writabilityChanged()
        perform(state.readAgain())
    }

    /// Nothing: ``StreamHub/drain(within:)`` ends streams over time, with a reason.
    func drain() {}

    private func deliveryEnded() {
        writabilityChanged()
        perform(state.deliveryEnded())
    }

    private var hasFilter: Bool {
        if case .feed(let filter) = source { !filter.isEmpty } else { false }
    }

    private func accepts(_ frame: EventFrame) -> Bool {
        guard case .feed(let filter) = source else { return true }
        return frame.tenant == tenant && filter.accepts(job: frame.job, pipeline: frame.pipeline, type: frame.type)
    }
}
