public import Logging
import LongtakeAPI
public import LongtakeCore
public import NIOCore
import Synchronization

/// The fan-out: takes each commit from the writer to the event loops where somebody follows its jobs, and knows all open streams.
public final class StreamHub: Sendable {
    public let configuration: StreamConfiguration
    let journal: any Journal
    /// Pages of jobs' logs, for streams that begin or lag.
    public let log: LogReader
    /// Those that hand work to the loops from outside.
    public let tasks = LoopTasks()
    let logger: Logger
    /// How many requests have begun to wait: the loops take turns for them.
    private let waits = Atomic(0)
    private let shards: [StreamShard]
    private let rings: FrameRings
    /// The newest event that was published. Touched by the writer's thread only, but a mutex says so to the compiler.
    private let published = Mutex(EventPosition.beforeFirst)
    private let census = Mutex(Census())

    private struct Census {
        /// Places that were given out; a place is taken before the request is answered.
        var streams = Places()
        /// Of requests that wait.
        var waits = Places()
        var open = 0
        var housekeeping = Housekeeping()
        var isDraining = false
        var whenEmpty: [CheckedContinuation<Void, Never>] = []
    }

    /// - Parameter loops: all event loops on which streams will be opened.
    public init(
        journal: any Journal, loops: [any EventLoop], configuration: StreamConfiguration, logger: Logger
    ) {
        self.journal = journal
        self.configuration = configuration
        self.logger = logger
        let loop = loops.first
        rings = FrameRings(capacityBytes: configuration.bounds.ringBytes)
        log = LogReader(journal: journal, rings: rings, readsAtOnce: configuration.bounds.readsAtOnce) {
            // It fails only where the loop has stopped, and then nobody waits any more.
            try? await loop?.scheduleTask(in: .milliseconds(LogReader.pauseMilliseconds)) {}.futureResult.get()
        }
        shards = loops.map { StreamShard(loop: $0, mailboxBytes: configuration.bounds.mailboxBytes) }
        keepHouse(on: loops.first)
        journal.tail { [weak self] notice in
            switch notice.news {
            case .events(let events): self?.publish(events, after: notice.after)
            case .advanced(let position):
                // No store of this version sends it. Streams would have to read the log again.
                self?.logger.error(
                    "a store announced events without delivering them; streams miss them until their next read",
                    metadata: ["position": "\(position.rawValue)"])
            }
        }
    }

    /// Encodes each event that somebody reads once, on the writer's thread, and posts it to the loops.
    ///
    /// The rings come before the loops: a reader registers first and reads then, so whoever registers too late to be posted to finds the
    /// event in the ring.
    private func publish(_ events: [CommittedEvent], after: EventPosition?) {
        guard let newest = events.last?.position else { return }
        let previous = published.withLock { published in
            defer { published = newest }
            return after ?? published
        }
        var wanted = Set(rings.collecting(events))
        for shard in shards where wanted.count < events.count { wanted.formUnion(shard.followed(events)) }
        guard !wanted.isEmpty else { return }
        let frames = events.indices.filter(wanted.contains).map { index in
            EventFrame(events[index], behind: index == 0 ? previous : events[index - 1].position)
        }
        rings.append(frames)
        for shard in shards { shard.post(frames) }
    }

    /// Whether streams are being ended.
    public var isDraining: Bool { census.withLock { $0.isDraining } }

    /// How many streams are open.
    public var openStreams: Int { census.withLock { $0.open } }

    /// A place for a stream; `nil` where ``StreamConfiguration/maxStreams`` are taken, or the owner's account has
    /// ``StreamConfiguration/maxStreamsPerOwner`` of them.
    public func takeSlot(of owner: StreamOwner = StreamOwner()) -> StreamSlot? {
        let isGiven = census.withLock {
            $0.streams.take(
                for: owner.account, most: configuration.maxStreams, mostOfOwner: configuration.maxStreamsPerOwner)
        }
        guard isGiven else { return nil }
        return StreamSlot(owner: owner) { [weak self] in
            self?.census.withLock { $0.streams.giveBack(of: owner.account) }
        }
    }

    /// Who is let in has changed: the streams of all others end.
    public func endStreamsOfOthers() {
        for shard in shards {
            shard.loop.execute {
                for stream in shard.streams where !self.configuration.isLetIn(stream.owner) {
                    stream.end(after: 1, .unauthorized)
                }
            }
        }
    }

    /// Makes a stream for the loop of its connection; to be called there. It begins with ``StreamSubscriber/start(_:)``.
    ///
    /// The place is the subscriber's from then on: the caller lets go of its own.
    public func makeStream(_ opening: StreamOpening, on loop: any EventLoop, sink: any StreamSink) -> StreamSubscriber {
        StreamSubscriber(opening, hub: self, shard: shard(of: loop), sink: sink)
    }

    /// A place for a request that waits; `nil` where ``Limits/requestsWaiting`` are taken, or the account has
    /// ``Limits/requestsWaitingPerKey`` of them.
    public func takeWait(of account: String? = nil) -> StreamSlot? {
        let isGiven = census.withLock {
            $0.waits.take(
                for: account, most: configuration.bounds.requestsWaiting, mostOfOwner: Limits.requestsWaitingPerKey)
        }
        guard isGiven else { return nil }
        return StreamSlot(owner: StreamOwner(account: account)) { [weak self] in
            self?.census.withLock { $0.waits.giveBack(of: account) }
        }
    }

    /// Waits until an event behind `cursor` is committed, or `limit` has passed, or the daemon drains.
    /// - Parameters:
    ///   - isForFinal: wait for the final event instead. It may return for another, so look.
    ///   - ending: is given what ends the wait early, for whoever learns that nobody waits any more.
    ///   - read: whether the log has what is waited for already.
    /// - Returns: how much of `limit` is left.
    @discardableResult
    public func waitForEvent(
        of job: JobID, behind cursor: EventSequence, upTo limit: Duration, isForFinal: Bool = false,
        ending: (@escaping @Sendable () -> Void) -> Void = { _ in }, read: @escaping @Sendable () async throws -> Bool
    ) async throws -> Duration {
        guard !shards.isEmpty else { return limit }
        // On the loops in turn, and not by the job: thousands may wait for one.
        let turn = waits.wrappingAdd(1, ordering: .relaxed).oldValue
        let shard = shards[turn % shards.count]
        let waiter = EventWaiter(job: job, cursor: cursor, isForFinal: isForFinal, shard: shard, tasks: tasks)
        ending { waiter.end() }
        return try await waiter.wait(upTo: limit, isDraining: { self.isDraining }, read: read)
    }

    /// Tells every reader that the daemon stops, and waits until all streams have ended, `deadline` at the most.
    ///
    /// A few end at once. Many are spread over most of `deadline`, ``Limits/drainSpread`` at the most, so that their readers return one after
    /// the other.
    public func drain(within deadline: Duration) async {
        census.withLock { $0.isDraining = true }
        for shard in shards {
            shard.loop.execute {
                shard.wakeWaiters()
                let streams = shard.streams
                // A fifth is left for what is written last.
                let ticks = StreamShard.ticks(min(Limits.drainSpread, deadline * 4 / 5)) - 1
                for (index, stream) in streams.enumerated() {
                    stream.end(after: streams.count <= 64 ? 1 : 1 + index * ticks / streams.count, .draining)
                }
            }
        }
        await emptied(within: deadline)
    }

    private func emptied(within deadline: Duration) async {
        guard let loop = shards.first?.loop else { return }
        await withCheckedContinuation { continuation in
            let isEmpty = census.withLock { census in
                if census.open > 0 { census.whenEmpty.append(continuation) }
                return census.open == 0
            }
            if isEmpty { return continuation.resume() }
            loop.scheduleTask(in: TimeAmount(deadline)) { self.resumeWaiters() }
        }
    }

    private func resumeWaiters() {
        let waiters = census.withLock { census in
            defer { census.whenEmpty = [] }
            return census.whenEmpty
        }
        for waiter in waiters { waiter.resume() }
    }

    func streamOpened() {
        census.withLock { census in
            census.open += 1
            census.housekeeping.changes += 1
        }
    }

    private func keepHouse(on loop: (any EventLoop)?) {
        loop?.scheduleRepeatedTask(
            initialDelay: TimeAmount(Housekeeping.period), delay: TimeAmount(Housekeeping.period)
        ) { [weak self] task in
            guard let self else { return task.cancel() }
            log.tick()
            let swept = rings.sweep()
            let isMemoryDue = census.withLock { $0.housekeeping.isMemoryDue(dropped: swept.bytes) }
            guard isMemoryDue || swept.bytes > 0 else { return }
            // Unstructured, so that it is freed away from the loop, whose streams would wait for that; and before memory is given back.
            Task { [configuration] in
                swept.free()
                if isMemoryDue { configuration.releaseMemory() }
            }
        }
    }

    func streamClosed() {
        let isEmpty = census.withLock { census in
            census.open -= 1
            census.housekeeping.changes += 1
            return census.open == 0
        }
        if isEmpty { resumeWaiters() }
    }

    func drawRetry() -> Int { configuration.draw(Limits.retryMilliseconds) }

    /// The age at which a stream ends, a tenth more or less than the setting.
    func drawAge() -> Duration? {
        configuration.maxAge.map { $0 * configuration.draw(900...1100) / 1000 }
    }

    private func shard(of loop: any EventLoop) -> StreamShard {
        guard let shard = shards.first(where: { $0.loop === loop }) else {
            preconditionFailure("a stream opens on one of the loops that the hub was made with")
        }
        return shard
    }
}
