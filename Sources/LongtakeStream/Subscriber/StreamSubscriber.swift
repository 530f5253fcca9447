import Logging
import LongtakeCore
import NIOCore

/// One reader of one job's log on its connection's event loop: performs what ``SubscriberState`` decides.
///
/// It is neither a task nor a queue: it holds a cursor, and the sink's bytes are bounded by the channel's watermark and one page.
public final class StreamSubscriber: LogListener {
    private var opening: StreamOpening
    private let hub: StreamHub
    private let shard: StreamShard
    private var sink: (any StreamSink)?
    private var slot: StreamSlot?
    private var state: SubscriberState

    /// Writes that the kernel has not taken yet, and the tick of the last sign that it takes any.
    private var writesUnderWay = 0
    private var movedAt: Int
    private var wroteAt: Int
    private var endsAt: (tick: Int, reason: StreamEnd)?
    private var scheduledAt = 0
    private var hasUnflushed = false

    init(_ opening: StreamOpening, hub: StreamHub, shard: StreamShard, sink: any StreamSink) {
        self.opening = opening
        self.hub = hub
        self.shard = shard
        self.sink = sink
        slot = opening.slot
        // Held in one place only, so that it is given back when the stream ends and not when the last timer lets go.
        self.opening.slot = nil
        state = SubscriberState(after: opening.cursor)
        movedAt = shard.now
        wroteAt = shard.now
    }

    func start() {
        hub.streamOpened()
        if opening.isEnded {
            write(opening.prelude)
            return finish()
        }
        shard.add(self)
        // In the table before the first read, so that no commit falls between the two.
        shard.register(self, for: opening.job)
        if let age = hub.drawAge() {
            endsAt = (shard.now + StreamShard.ticks(age), .maxAge)
        }
        write(opening.prelude)
        // Up to a page of bytes that nobody needs again.
        opening.prelude = ByteBuffer()
        flush()
        roomChanged()
    }

    // MARK: What the fan-out says

    func take(_ frame: EventFrame) {
        guard state.takes(frame.sequence) else { return }
        write(frame.bytes(opening.format))
        perform(state.wrote(frame.sequence, isFinal: frame.isFinal))
    }

    func gap(upTo head: EventSequence) {
        _ = state.takes(head)
    }

    func settle() {
        flush()
        roomChanged()
        perform(state.settle())
    }

    /// A stream is ended with a word to its reader, spread over time; ``end(after:_:)``.
    func drain() {}

    // MARK: What the connection says

    /// Room for the first page, or the channel's writability changed.
    public func roomChanged() {
        guard let sink else { return }
        perform(state.roomChanged(sink.hasRoom))
    }

    /// The connection is gone. The job goes on.
    public func connectionClosed() {
        state.end()
        leave()
    }

    /// Ends the stream after `ticks`, telling the reader why.
    func end(after ticks: Int, _ reason: StreamEnd) {
        endsAt = (shard.now + ticks, reason)
        scheduleNext()
    }

    // MARK: Deadlines

    func tick(_ now: Int) {
        guard sink != nil, now == scheduledAt else { return }
        if writesUnderWay > 0, now - movedAt >= StreamShard.ticks(Limits.writeDeadline) {
            return abort()
        }
        if let (tick, reason) = endsAt, now >= tick {
            return endNow(reason)
        }
        if now - wroteAt >= StreamShard.ticks(hub.configuration.heartbeat) {
            heartbeat()
        }
        scheduleNext()
    }

    private func heartbeat() {
        let frame: ControlFrame = opening.heartbeatEvents ? .heartbeatEvent : .heartbeat
        write(frame.bytes(opening.format))
        flush()
        roomChanged()
        perform(state.compare(with: shard.head(of: opening.job) ?? .beforeFirst))
    }

    /// Has the wheel call back at the earliest of the deadlines. An older appointment that is still in the wheel is ignored then.
    private func scheduleNext() {
        guard sink != nil else { return }
        var next = wroteAt + StreamShard.ticks(hub.configuration.heartbeat)
        if writesUnderWay > 0 { next = min(next, movedAt + StreamShard.ticks(Limits.writeDeadline)) }
        if let (tick, _) = endsAt { next = min(next, tick) }
        next = max(next, shard.now + 1)
        guard next < scheduledAt || scheduledAt <= shard.now else { return }
        scheduledAt = next
        shard.schedule(self, at: next)
    }

    // MARK: Performing

    private func perform(_ action: SubscriberState.Action) {
        switch action {
        case .nothing:
            break
        case .read(let cursor):
            read(after: cursor)
        case .end:
            finish()
        }
    }

    private func read(after cursor: EventSequence) {
        let (journal, opening, loop) = (hub.journal, opening, shard.loop)
        let subscriber = NIOLoopBound(self, eventLoop: loop)
        // A task that lives only for this page: the journal is asynchronous and the loop must not wait for it.
        Task {
            do {
                let page = try await journal.events(
                    of: opening.job, of: opening.tenant, after: cursor, limit: Limits.eventsPerPage)
                loop.execute { subscriber.value.pageArrived(page) }
            } catch {
                loop.execute { subscriber.value.readFailed(error) }
            }
        }
    }

    private func pageArrived(_ page: EventPage?) {
        guard sink != nil, state.phase == .replaying else { return }
        // The job was deleted under its reader; a cut makes it come back and get its 404.
        guard let page else { return abort() }
        if !page.events.isEmpty {
            var bytes = ByteBuffer()
            for event in page.events {
                bytes.writeImmutableBuffer(EventFrame(event).bytes(opening.format))
            }
            write(bytes)
            flush()
            roomChanged()
        }
        perform(state.readPage(last: page.events.last?.sequence, head: page.head, isFinal: page.isFinal))
    }

    private func readFailed(_ error: any Error) {
        guard sink != nil else { return }
        hub.logger.warning("stream read failed", metadata: ["job": "\(opening.job)", "error": "\(error)"])
        abort()
    }

    private func write(_ bytes: ByteBuffer) {
        guard let sink, bytes.readableBytes > 0 else { return }
        if writesUnderWay == 0 { movedAt = shard.now }
        writesUnderWay += 1
        wroteAt = shard.now
        hasUnflushed = true
        let written = shard.loop.makePromise(of: Void.self)
        let subscriber = NIOLoopBound(self, eventLoop: shard.loop)
        written.futureResult.whenComplete { _ in subscriber.value.kernelTook() }
        sink.write(bytes, written: written)
    }

    private func flush() {
        guard hasUnflushed, let sink else { return }
        hasUnflushed = false
        sink.flush()
        scheduleNext()
    }

    private func kernelTook() {
        writesUnderWay -= 1
        movedAt = shard.now
    }

    private func endNow(_ reason: StreamEnd) {
        write(ControlFrame.end(reason: reason, retryMilliseconds: hub.drawRetry()).bytes(opening.format))
        finish()
    }

    private func finish() {
        guard let sink else { return }
        state.end()
        flush()
        leave()
        sink.finish()
    }

    private func abort() {
        guard let sink else { return }
        state.end()
        leave()
        sink.abort()
    }

    private func leave() {
        guard sink != nil else { return }
        sink = nil
        slot = nil
        shard.unregister(self, from: opening.job)
        shard.remove(self)
        hub.streamClosed()
    }
}
