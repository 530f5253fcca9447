public import Logging
import LongtakeAPI
public import LongtakeCore
public import NIOCore
import Synchronization

/// The entry to this module: opens streams and waits, counts them, and ends them at shutdown.
public final class StreamHub: Sendable {
    public let configuration: StreamConfiguration
    /// Reads pages for streams that start or lag.
    public let reader: LogReader
    /// The tasks that hand results to the event loops.
    public let tasks = LoopTasks()
    let logger: Logger
    private let shards: [StreamShard]
    private let publisher: EventPublisher
    /// The number of waits so far. The loops take turns for them.
    private let waits = Atomic(0)
    private let census = Mutex(Census())

    private struct Census {
        /// Slots of streams. A request acquires its slot before it is answered.
        var streams = SlotCounts()
        /// Slots of waiting requests.
        var waits = SlotCounts()
        var open = 0
        var memory = MemoryRelease()
        var isDraining = false
        /// Callers that wait until no stream is open.
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    /// - Parameter loops: all event loops on which streams will be opened.
    public init(
        journal: any Journal, loops: [any EventLoop], configuration: StreamConfiguration, logger: Logger
    ) {
        self.configuration = configuration
        self.logger = logger
        let loop = loops.first
        reader = LogReader(
            journal: journal, rings: FrameRings(capacityBytes: configuration.bounds.ringBytes),
            readsAtOnce: configuration.bounds.readsAtOnce
        ) {
            // This fails only if the loop has stopped, and then nobody waits any more.
            try? await loop?.scheduleTask(in: .milliseconds(LogReader.retryMilliseconds)) {}.futureResult.get()
        }
        shards = loops.map { StreamShard(loop: $0, mailboxBytes: configuration.bounds.mailboxBytes) }
        publisher = EventPublisher(
            reader: reader, shards: shards, epoch: journal.epoch, tasks: tasks, logger: logger)
        startMaintenance(on: loop)
        journal.tail { [weak self] notice in self?.publisher.receive(notice) }
    }

    // MARK: Streams

    public var openStreams: Int { census.withLock { $0.open } }

    /// Acquires a slot for a stream; `nil` if ``StreamConfiguration/maxStreams`` slots are in use,
    /// or the account uses ``StreamConfiguration/maxStreamsPerOwner`` of them.
    public func takeSlot(of owner: StreamOwner = StreamOwner()) -> StreamSlot? {
        let isAcquired = census.withLock {
            $0.streams.acquire(
                for: owner.account, limit: configuration.maxStreams,
                limitPerAccount: configuration.maxStreamsPerOwner)
        }
        guard isAcquired else { return nil }
        return StreamSlot(owner: owner) { [weak self] in
            self?.census.withLock { $0.streams.release(of: owner.account) }
        }
    }

    /// Makes a stream for a connection of `loop`. Call it on that loop. The stream starts with
    /// ``StreamSubscriber/start(_:)``.
    ///
    /// From then on the subscriber owns the slot, so the caller must drop its own reference.
    public func makeStream(_ opening: StreamOpening, on loop: any EventLoop, sink: any StreamSink) -> StreamSubscriber {
        StreamSubscriber(opening, hub: self, shard: shard(of: loop), sink: sink)
    }

    /// Ends all streams whose owner is not authorized any more. Call it when keys have changed.
    public func endUnauthorizedStreams() {
        for shard in shards {
            shard.loop.execute {
                for stream in shard.streams where !self.configuration.isAuthorized(stream.owner) {
                    stream.end(after: 1, .unauthorized)
                }
            }
        }
    }

    func streamOpened() {
        census.withLock { census in
            census.open += 1
            census.memory.changes += 1
        }
    }

    func streamClosed() {
        let isEmpty = census.withLock { census in
            census.open -= 1
            census.memory.changes += 1
            return census.open == 0
        }
        if isEmpty { resumeWaiters() }
    }

    /// A value for `retry:` in milliseconds.
    func drawRetry() -> Int { configuration.draw(StreamLimits.retryMilliseconds) }

    /// The age at which a stream ends: the setting, varied by up to a tenth.
    func drawAge() -> Duration? {
        configuration.maxAge.map { $0 * configuration.draw(900...1100) / 1000 }
    }

    private func shard(of loop: any EventLoop) -> StreamShard {
        guard let shard = shards.first(where: { $0.loop === loop }) else {
            preconditionFailure("a stream opens on one of the loops that the hub was made with")
        }
        return shard
    }

    /// The tenants of all streams and waits.
    var followedTenants: Set<TenantName> { shards.reduce(into: []) { $0.formUnion($1.tenants) } }

    // MARK: Waiting requests

    /// Acquires a slot for a request that waits; `nil` if ``StreamLimits/requestsWaiting`` slots
    /// are in use, or the account uses ``StreamLimits/requestsWaitingPerKey`` of them.
    public func takeWaitSlot(of account: String? = nil) -> StreamSlot? {
        let isAcquired = census.withLock {
            $0.waits.acquire(
                for: account, limit: configuration.bounds.requestsWaiting,
                limitPerAccount: StreamLimits.requestsWaitingPerKey)
        }
        guard isAcquired else { return nil }
        return StreamSlot(owner: StreamOwner(account: account)) { [weak self] in
            self?.census.withLock { $0.waits.release(of: account) }
        }
    }

    /// Waits until a job has an event after `cursor`, `limit` has passed, or the daemon shuts down.
    ///
    /// It may return although nothing is new, so the caller reads the event log and decides.
    /// - Parameters:
    ///   - isForFinal: whether only the final event ends the wait.
    ///   - ending: receives a function that ends the wait early, for a client that disconnects.
    ///   - read: whether the event log already has the event.
    /// - Returns: the rest of `limit`.
    @discardableResult
    public func waitForEvent(
        of job: JobID, of tenant: TenantName, after cursor: EventSequence, upTo limit: Duration,
        isForFinal: Bool = false,
        ending: (@escaping @Sendable () -> Void) -> Void = { _ in }, read: @escaping @Sendable () async throws -> Bool
    ) async throws -> Duration {
        guard !shards.isEmpty else { return limit }
        // The loops take turns. A loop chosen by the job could get thousands of waits for one job.
        let turn = waits.wrappingAdd(1, ordering: .relaxed).oldValue
        let shard = shards[turn % shards.count]
        let waiter = EventWaiter(
            job: job, tenant: tenant, cursor: cursor, isForFinal: isForFinal, shard: shard, tasks: tasks)
        ending { waiter.end() }
        return try await waiter.wait(upTo: limit, isDraining: { self.isDraining }, read: read)
    }

    // MARK: Shutdown

    /// Whether streams are being ended for shutdown.
    public var isDraining: Bool { census.withLock { $0.isDraining } }

    /// Ends all streams with `stream.end` and the reason `draining`, and waits for that, at most
    /// until `deadline`.
    ///
    /// Up to 64 streams of a loop end at once. More are spread over most of `deadline`, at most
    /// over ``StreamLimits/drainSpread``, so that their clients do not reconnect together.
    public func drain(within deadline: Duration) async {
        census.withLock { $0.isDraining = true }
        for shard in shards {
            shard.loop.execute {
                shard.endWaits()
                let streams = shard.streams
                // A fifth of the deadline remains for the last writes.
                let ticks = StreamShard.ticks(min(StreamLimits.drainSpread, deadline * 4 / 5)) - 1
                for (index, stream) in streams.enumerated() {
                    stream.end(after: streams.count <= 64 ? 1 : 1 + index * ticks / streams.count, .draining)
                }
            }
        }
        await waitUntilEmpty(within: deadline)
    }

    private func waitUntilEmpty(within deadline: Duration) async {
        guard let loop = shards.first?.loop else { return }
        await withCheckedContinuation { continuation in
            let isEmpty = census.withLock { census in
                if census.open > 0 { census.waiters.append(continuation) }
                return census.open == 0
            }
            if isEmpty { return continuation.resume() }
            loop.scheduleTask(in: TimeAmount(deadline)) { self.resumeWaiters() }
        }
    }

    private func resumeWaiters() {
        let waiters = census.withLock { census in
            defer { census.waiters = [] }
            return census.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    // MARK: Maintenance

    /// The time between two maintenance runs.
    static let maintenancePeriod = Limits.readPeriod

    private func startMaintenance(on loop: (any EventLoop)?) {
        let period = TimeAmount(Self.maintenancePeriod)
        loop?.scheduleRepeatedTask(initialDelay: period, delay: period) { [weak self] task in
            guard let self else { return task.cancel() }
            reader.tick()
            publisher.tick()
            let evicted = reader.rings.evictIdle()
            let isMemoryDue = census.withLock { $0.memory.isDue(evictedBytes: evicted.bytes) }
            guard isMemoryDue || evicted.bytes > 0 else { return }
            // Unstructured, because the streams of the loop would wait while it frees memory. The
            // rings are freed before free memory is returned to the system.
            Task { [configuration] in
                evicted.free()
                if isMemoryDue { configuration.releaseMemory() }
            }
        }
    }
}

/// Decides when free memory is returned to the system.
///
/// That takes milliseconds in which other threads wait for memory. So it happens once after a burst
/// of opened and closed streams or of evicted rings, and not during the burst.
struct MemoryRelease: Hashable, Sendable {
    /// More opened and closed streams than this in one period are a burst.
    private static let burst = 500
    private static let burstBytes = 8 * 1024 * 1024

    /// Opened and closed streams in this period.
    var changes = 0
    private var hadBurst = false

    /// Call it once in each period.
    /// - Parameter evictedBytes: the size of the rings that were evicted in it.
    mutating func isDue(evictedBytes: Int) -> Bool {
        defer { changes = 0 }
        if changes >= Self.burst || evictedBytes >= Self.burstBytes { hadBurst = true }
        guard hadBurst, changes < Self.burst else { return false }
        hadBurst = false
        return true
    }
}
