import Logging
import LongtakeCore
import Synchronization

/// Brings new events from the store to the rings and to the event loops.
///
/// If a notice carries its events, they are published on the thread that gave the notice. If it only
/// says how far the log is, a task reads the events of all tenants that somebody follows, and publishes
/// them in the order of their positions. While that task runs, later notices only move its target, so
/// everything is published in commit order.
final class EventPublisher: Sendable {
    private let log: LogReader
    private let shards: [StreamShard]
    private let tasks: LoopTasks
    private let logger: Logger
    private let progress: Mutex<TailProgress>

    private var rings: FrameRings { log.rings }

    init(log: LogReader, shards: [StreamShard], epoch: Epoch, tasks: LoopTasks, logger: Logger) {
        self.log = log
        self.shards = shards
        self.tasks = tasks
        self.logger = logger
        progress = Mutex(TailProgress(epoch: epoch))
    }

    /// Takes a notice of the store, in commit order.
    func take(_ notice: TailNotice) {
        let known = progress.withLock { $0.epoch }
        if notice.epoch != known { renewEpoch(from: known, to: notice.epoch) }
        switch notice.news {
        case .events(let events):
            guard let newest = events.last?.position else { return }
            let action = progress.withLock { $0.received(through: newest) }
            switch action {
            case .publish(let previous): publish(events, behind: previous)
            case .read: startReading()
            case .leaveToReader: break
            }
        case .advanced(let position):
            if progress.withLock({ $0.advanced(to: position) }) { startReading() }
        }
    }

    /// A period of the hub has passed. Reading that failed starts again.
    func tick() {
        if progress.withLock({ $0.retry() }) { startReading() }
    }

    /// Encodes each event that somebody reads once, and posts it to the loops.
    ///
    /// The rings come first. A reader registers before it reads, so an event that comes too early for its
    /// registration is in the ring that it then reads.
    private func publish(_ events: [CommittedEvent], behind previous: EventPosition) {
        var wanted = Set(rings.collecting(events))
        for shard in shards where wanted.count < events.count { wanted.formUnion(shard.followed(events)) }
        guard !wanted.isEmpty else { return }
        let frames = events.indices.filter(wanted.contains).map { index in
            EventFrame(events[index], behind: index == 0 ? previous : events[index - 1].position)
        }
        rings.append(frames)
        for shard in shards { shard.post(frames) }
    }

    /// The history was replaced, so nothing of the old one may be used. The page that a stream reads next
    /// tells it the new epoch.
    private func renewEpoch(from old: Epoch, to new: Epoch) {
        progress.withLock { $0.renew(new) }
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
                    // A closed store means that the daemon shuts down.
                    progress.withLock { $0.readFailed() }
                    logger.warning(
                        "cannot read new events, will try again", metadata: ["error": "\(error)"])
                }
            }
        }
    }

    private func read(_ round: TailProgress.Round) async throws {
        guard let previous = round.after else {
            // Nobody knows which events are new. So whoever follows a log reads it.
            readAllAgain()
            return progress.withLock { $0.published(through: round.target, in: round.epoch) }
        }
        // Whoever registers after this reads a page that contains all events up to the target.
        let tenants = shards.reduce(into: rings.tenants) { $0.formUnion($1.tenants) }
        var pages: [FeedPage] = []
        for tenant in tenants.sorted(by: { $0.description < $1.description }) {
            let page = try await log.page(FeedQuery(tenant: tenant, after: previous))
            guard page.epoch == round.epoch else { return renewEpoch(from: round.epoch, to: page.epoch) }
            pages.append(page)
        }
        // One page may reach further than another. Only what all of them cover is complete.
        let end = pages.reduce(round.target) { min($0, $1.reached) }
        guard end > previous else { throw JournalError.cannotRead("the log ends before an announced event") }
        let events = pages.flatMap(\.events).filter { $0.position <= end }.sorted { $0.position < $1.position }
        if !events.isEmpty { publish(events, behind: previous) }
        // Events of deleted jobs are missing from the pages. Their watchers find that out when they read.
        if pages.contains(where: { $0.prunedThrough > previous }) { readAllAgain() }
        progress.withLock { $0.published(through: end, in: round.epoch) }
    }
}

/// How far the events of the store are published: the decisions of ``EventPublisher`` as a value.
struct TailProgress: Hashable, Sendable {
    /// What to do with the events of a notice.
    enum Action: Hashable, Sendable {
        /// They follow what was published up to here.
        case publish(behind: EventPosition)
        /// The reading task finds them.
        case leaveToReader
        /// Start the reading task, which finds them.
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
    /// `nil` until the first notice of an epoch, because the store told nothing before.
    private var newest: EventPosition?
    private var target = EventPosition.beforeFirst
    private var isReading = false
    private var isPaused = false

    init(epoch: Epoch) { self.epoch = epoch }

    /// The history was replaced. Positions of the new one have nothing to do with those of the old one.
    mutating func renew(_ epoch: Epoch) {
        self.epoch = epoch
        newest = nil
        target = .beforeFirst
    }

    /// The store told events up to `position`, with the events.
    mutating func received(through position: EventPosition) -> Action {
        guard !isReading, !isPaused else {
            return advanced(to: position) ? .read : .leaveToReader
        }
        defer { newest = position }
        return .publish(behind: newest ?? .beforeFirst)
    }

    /// The store told that there are events up to `position`.
    /// - Returns: whether to start the reading task.
    mutating func advanced(to position: EventPosition) -> Bool {
        target = max(target, position)
        return start()
    }

    /// Whether to start the reading task again after a failure.
    mutating func retry() -> Bool { isPaused && start() }

    private mutating func start() -> Bool {
        isPaused = false
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

    /// A read failed. The task ends, and another one starts in the next period or with the next notice.
    mutating func readFailed() { isPaused = true }
}
