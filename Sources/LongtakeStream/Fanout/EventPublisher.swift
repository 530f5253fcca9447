import Logging
import LongtakeCore
import Synchronization

/// Brings new events from the store to the rings and to the event loops.
///
/// If a notice carries its events and leaves no gap, they are published on the thread that gave the
/// notice. Otherwise a task reads the events of all tenants that a client follows, and publishes
/// them in the order of their positions. While that task runs, later notices only move its target,
/// so everything is published in commit order.
final class EventPublisher: Sendable {
    private let reader: LogReader
    private let shards: [StreamShard]
    private let tasks: LoopTasks
    private let logger: Logger
    private let progress: Mutex<TailProgress>

    private var rings: FrameRings { reader.rings }

    init(reader: LogReader, shards: [StreamShard], epoch: Epoch, tasks: LoopTasks, logger: Logger) {
        self.reader = reader
        self.shards = shards
        self.tasks = tasks
        self.logger = logger
        progress = Mutex(TailProgress(epoch: epoch))
    }

    /// Takes a notice of the store, in commit order.
    func receive(_ notice: TailNotice) {
        let known = progress.withLock { $0.epoch }
        if notice.epoch != known { renewEpoch(from: known, to: notice.epoch) }
        switch notice.news {
        case .events(let events):
            guard let newest = events.last?.position else { return }
            let action = progress.withLock { $0.received(through: newest, after: notice.after) }
            switch action {
            case .publish(let previous): publish(events, after: previous)
            case .read: startReading()
            case .leaveToReader, .ignore: break
            }
        case .advanced(let position):
            if progress.withLock({ $0.advanced(to: position) }) { startReading() }
        }
    }

    /// Called by the hub once a period. If a read has failed, the reading task starts again.
    func tick() {
        if progress.withLock({ $0.retry() }) { startReading() }
    }

    /// Encodes each event that has at least one follower, only once, and posts the frame to all
    /// event loops.
    ///
    /// It appends to the rings first. A stream registers before it reads. If it registers too late
    /// to receive a frame, it finds the event in the ring.
    private func publish(_ events: [CommittedEvent], after previous: EventPosition) {
        var wanted = Set(rings.collecting(events))
        for shard in shards where wanted.count < events.count { wanted.formUnion(shard.followed(events)) }
        guard !wanted.isEmpty else { return }
        let frames = events.indices.filter(wanted.contains).map { index in
            EventFrame(events[index], after: index == 0 ? previous : events[index - 1].position)
        }
        rings.append(frames)
        for shard in shards { shard.post(frames) }
    }

    /// Drops everything of the old history. The next page that a stream reads contains the new
    /// epoch, and the stream is reset.
    private func renewEpoch(from old: Epoch, to new: Epoch) {
        // Another call may already have changed the epoch.
        guard progress.withLock({ $0.renew(from: old, to: new) }) else { return }
        logger.notice(
            "the epoch of the database changed; open streams are reset",
            metadata: ["old_epoch": "\(old)", "epoch": "\(new)"])
        readAllAgain()
    }

    private func readAllAgain() {
        rings.removeAll()
        for shard in shards { shard.readAgain() }
    }

    // MARK: Reading what a notice only announced

    private func startReading() {
        // Unstructured: the store must not wait for its observers.
        _ = tasks.start { [self] in
            while let round = progress.withLock({ $0.nextRound() }) {
                do {
                    try await read(round)
                } catch {
                    progress.withLock { $0.readFailed() }
                    // The store is closed when the daemon shuts down.
                    guard error as? JournalError != .closed else { continue }
                    logger.warning("cannot read new events, will try again", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    private func read(_ round: TailProgress.Round) async throws {
        guard let previous = round.after else {
            // It is not known which events are new. So every listener reads its log.
            readAllAgain()
            return progress.withLock { $0.published(through: round.target, in: round.epoch) }
        }
        // The present tenants are enough: if a listener registers later, its first page contains
        // all events up to the target.
        let tenants = shards.reduce(into: rings.tenants) { $0.formUnion($1.tenants) }
        var pages: [FeedPage] = []
        for tenant in tenants.sorted(by: { $0.description < $1.description }) {
            let page = try await reader.page(FeedQuery(tenant: tenant, after: previous))
            guard page.epoch == round.epoch else { return renewEpoch(from: round.epoch, to: page.epoch) }
            pages.append(page)
        }
        // One page may reach further than another. Only up to the shortest one everything is known.
        let end = pages.reduce(round.target) { min($0, $1.reached) }
        guard end > previous else { throw JournalError.cannotRead("the log ends before an announced event") }
        let events = pages.flatMap(\.events).filter { $0.position <= end }.sorted { $0.position < $1.position }
        if !events.isEmpty { publish(events, after: previous) }
        // Events of deleted jobs are missing from the pages. Their streams notice that when they
        // read.
        if pages.contains(where: { $0.prunedThrough > previous }) { readAllAgain() }
        progress.withLock { $0.published(through: end, in: round.epoch) }
    }
}

/// How far the events of the store are published, and who publishes the next ones: the decisions of
/// ``EventPublisher`` as a value.
struct TailProgress: Hashable, Sendable {
    /// What to do with the events of a notice.
    enum Action: Hashable, Sendable {
        /// They follow what was published up to here.
        case publish(after: EventPosition)
        /// The running task will read them.
        case leaveToReader
        /// They are published already.
        case ignore
        /// Start the reading task.
        case read
    }

    /// One step of the reading task.
    struct Round: Hashable, Sendable {
        let epoch: Epoch
        /// The newest published position; `nil` if it is not known.
        let after: EventPosition?
        /// Everything up to here is to be published.
        let target: EventPosition
    }

    private(set) var epoch: Epoch
    /// The newest published position; `nil` until the first notice of an epoch.
    private var newest: EventPosition?
    private var target = EventPosition.beforeFirst
    private var isReading = false
    private var isPaused = false

    init(epoch: Epoch) { self.epoch = epoch }

    /// The history was replaced. Positions of different epochs cannot be compared.
    /// - Returns: `false` if the epoch is not `old` any more, so that nothing changed.
    mutating func renew(from old: Epoch, to new: Epoch) -> Bool {
        guard epoch == old else { return false }
        (epoch, newest, target, isPaused) = (new, nil, .beforeFirst, false)
        return true
    }

    /// A notice carried its events, up to `position`.
    /// - Parameter previous: the position before them, if other processes write to the store too
    ///   (``TailNotice/after``).
    mutating func received(through position: EventPosition, after previous: EventPosition? = nil) -> Action {
        if let newest, position <= newest { return .ignore }
        // Other processes wrote events in between, whose notices may come later or never.
        let hasGap = previous.map { $0 > newest ?? .beforeFirst } ?? false
        guard !hasGap, !isReading, !isPaused else {
            return advanced(to: position) ? .read : .leaveToReader
        }
        defer { newest = position }
        return .publish(after: newest ?? .beforeFirst)
    }

    /// A notice said that there are events up to `position`.
    /// - Returns: whether to start the reading task. After a failed read it is ``retry()`` that
    ///   starts it, so that a broken disk is not read again for each notice.
    mutating func advanced(to position: EventPosition) -> Bool {
        target = max(target, position)
        return !isPaused && start()
    }

    /// Whether to start the reading task again after a failure.
    mutating func retry() -> Bool {
        guard isPaused else { return false }
        isPaused = false
        return start()
    }

    private mutating func start() -> Bool {
        defer { isReading = true }
        return !isReading
    }

    /// The next step of the reading task; `nil` if it ends.
    mutating func nextRound() -> Round? {
        isReading = !isPaused && target > newest ?? .beforeFirst
        return isReading ? Round(epoch: epoch, after: newest, target: target) : nil
    }

    /// The reading task published everything up to `position`, unless the epoch has changed since.
    mutating func published(through position: EventPosition, in epoch: Epoch) {
        if epoch == self.epoch { newest = max(newest ?? position, position) }
    }

    /// A read failed. The task ends, and ``retry()`` starts another one.
    mutating func readFailed() { isPaused = true }
}
