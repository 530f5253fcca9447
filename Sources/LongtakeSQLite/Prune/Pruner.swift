public import Logging
public import LongtakeCore
import Synchronization

/// Removes finished jobs when they are due, between the commits of callers. A thin shell:
/// ``PruneSchedule`` decides when, and ``PruneCommand`` removes.
///
/// It never polls. It checks at startup, when the oldest finished job becomes due, when the
/// database has grown by some megabytes, and when a client has deleted a job. If only active jobs
/// keep the database above its limit, it also checks when one of them finishes.
public final class Pruner: Sendable {
    private let journal: SQLiteJournal
    private let retention: Retention
    private let clock: any Clock<Duration>
    private let wallClock: any WallClock
    private let rows: Int
    private let logger: Logger
    private let checks: AsyncStream<Void>
    private let check: AsyncStream<Void>.Continuation
    /// Only the writer sets and reads this. So no job can finish unnoticed between a check that
    /// found nothing and this flag.
    private let awaitsFinish = Atomic(false)
    private let timers = Mutex(PrunerTimers())

    /// - Parameters:
    ///   - clock: measures delays.
    ///   - wallClock: the clock of the journal. Ages are differences of its steady time, so setting
    ///     the wall clock does not change them.
    ///   - rows: how many rows one transaction deletes.
    public init(
        journal: SQLiteJournal, retention: Retention, clock: any Clock<Duration>, wallClock: any WallClock,
        rows: Int = SQLiteLimits.rowsPerPrune, logger: Logger
    ) {
        self.journal = journal
        self.retention = retention
        self.clock = clock
        self.wallClock = wallClock
        self.rows = rows
        self.logger = logger
        // All elements are equal, so one in the buffer is enough.
        (checks, check) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Prunes until its task is cancelled or the journal is closed. Called once.
    public func run() async {
        journal.observeGrowth { [check] in check.yield() }
        journal.observeDeletions { [check] in check.yield() }
        journal.observeWork { [self] notice in
            guard awaitsFinish.load(ordering: .relaxed), !notice.ended.isEmpty else { return }
            check.yield()
        }
        check.yield()
        await withDiscardingTaskGroup { group in
            var state = PruneSchedule(retention)
            for await _ in checks {
                guard let next = await prune(&state), timers.withLock({ $0.set(next) }) else { continue }
                // At least a millisecond, so that two clocks that disagree cannot make this loop
                // spin.
                let wait = max(1, next.millisecondsSince1970 - wallClock.steady().millisecondsSince1970)
                group.addTask { await self.sleep(for: .milliseconds(wait), thenCheckAt: next) }
            }
            group.cancelAll()
            if let note = state.stopped() { log(note) }
        }
    }

    /// Removes the timer when its delay is over, not when its time has come: the two clocks may
    /// disagree.
    private func sleep(for wait: Duration, thenCheckAt time: Timestamp) async {
        guard (try? await clock.sleep(for: wait)) != nil else { return }
        timers.withLock { $0.fired(time) }
        check.yield()
    }

    /// Runs transactions of pruning until nothing is due.
    /// - Returns: when to check again.
    private func prune(_ state: inout PruneSchedule) async -> Timestamp? {
        while !Task.isCancelled {
            do {
                let (outcome, worked) = try await slice(state)
                let (next, notes) = state.sliced(outcome, at: wallClock.steady())
                for note in notes { log(note) }
                guard case .slice = next else {
                    guard case .check(let time) = next else { return nil }
                    return time
                }
                // Throws only if the pruner is cancelled.
                try? await clock.sleep(for: worked * SQLiteLimits.prunePauseFactor)
            } catch JournalError.closed, JournalError.outcomeUnknown {
                check.finish()
                return nil
            } catch {
                logger.warning("pruning failed and will be retried", metadata: ["error": "\(error)"])
                return wallClock.steady().advanced(by: SQLiteLimits.pruneRetryDelay)
            }
        }
        return nil
    }

    private func slice(_ state: PruneSchedule) async throws -> (outcome: PruneOutcome, worked: Duration) {
        let command = PruneCommand(retention: retention, time: wallClock.steady(), rows: rows)
        return try await journal.maintain { [self] db in
            var outcome = PruneOutcome()
            let worked = try clock.measure { outcome = try command.run(db) }
            awaitsFinish.store(state.isBlocked(outcome), ordering: .relaxed)
            return (outcome, worked)
        }
    }

    private func log(_ note: PruneSchedule.Note) {
        switch note {
        case .pruned(let jobs, let events):
            logger.info("pruned finished jobs", metadata: ["jobs": "\(jobs)", "events": "\(events)"])
        case .blocked(let usedBytes):
            logger.warning(
                "the database is larger than storage.max_gigabytes, and all jobs in it are active",
                metadata: ["used_bytes": "\(usedBytes)"])
        }
    }
}

/// Decides when to prune next and what to log: the pure part of the ``Pruner``.
struct PruneSchedule {
    private let retention: Retention
    private var (jobs, events) = (0, 0)
    private var unloggedSince: Timestamp?
    private var loggedAt: Timestamp?
    private var isBlockLogged = false

    enum Next: Hashable {
        /// Something is due now.
        case slice
        /// Nothing is due before that time or before the database grows.
        case check(at: Timestamp?)
    }

    enum Note: Hashable {
        case pruned(jobs: Int, events: Int)
        /// The database is above its limit, and every job in it is active.
        case blocked(usedBytes: Int64)
    }

    init(_ retention: Retention) { self.retention = retention }

    mutating func sliced(_ outcome: PruneOutcome, at time: Timestamp) -> (next: Next, notes: [Note]) {
        jobs += outcome.jobs
        events += outcome.events
        if jobs > 0 || events > 0, unloggedSince == nil { unloggedSince = time }
        var notes: [Note] = []
        if isTimeToLog(outcome, at: time), let note = takeTotals() {
            notes.append(note)
            loggedAt = time
        }
        let isBlocked = isBlocked(outcome)
        if isBlocked, !isBlockLogged { notes.append(.blocked(usedBytes: outcome.usedBytes)) }
        isBlockLogged = isBlocked
        if outcome.hasMore { return (.slice, notes) }
        let due = retention.nextCheck(at: time, usedBytes: outcome.usedBytes, oldest: outcome.oldest)
        let logging = unloggedSince == nil ? nil : loggedAt?.advanced(by: SQLiteLimits.pruneLogLineInterval)
        return (.check(at: [due, logging].compactMap { $0 }.min()), notes)
    }

    /// The result that was not logged yet, when the pruner stops.
    mutating func stopped() -> Note? { takeTotals() }

    func isBlocked(_ outcome: PruneOutcome) -> Bool {
        retention.isExceeded(by: outcome.usedBytes) && outcome.oldest == nil
    }

    /// At the end of a run, in a long run after each interval, and never twice within one interval.
    private func isTimeToLog(_ outcome: PruneOutcome, at time: Timestamp) -> Bool {
        func isOver(_ begin: Timestamp) -> Bool { time >= begin.advanced(by: SQLiteLimits.pruneLogLineInterval) }
        return (!outcome.hasMore || unloggedSince.map(isOver) ?? false) && loggedAt.map(isOver) ?? true
    }

    private mutating func takeTotals() -> Note? {
        guard unloggedSince != nil else { return nil }
        defer { (jobs, events, unloggedSince) = (0, 0, nil) }
        return .pruned(jobs: jobs, events: events)
    }
}

/// The times of the ``Pruner``'s running timers. A new timer is always earlier than all others, so
/// there are few.
struct PrunerTimers: Hashable, Sendable {
    private var times: Set<Timestamp> = []

    /// - Returns: whether no running timer is as early. Then the caller must start one.
    mutating func set(_ time: Timestamp) -> Bool {
        if let earliest = times.min(), earliest <= time { return false }
        times.insert(time)
        return true
    }

    /// The delay of a timer is over.
    mutating func fired(_ time: Timestamp) { times.remove(time) }
}

/// How long finished jobs are kept. Active jobs are always kept.
public struct Retention: Hashable, Sendable {
    /// Since the finish of the job; `nil` for no limit.
    public var age: Duration?
    /// If the used pages have more bytes, the oldest finished jobs are removed early; `nil` for no
    /// limit.
    public var maxBytes: Int64?

    public init(age: Duration?, maxBytes: Int64?) {
        self.age = age
        self.maxBytes = maxBytes
    }

    func isExceeded(by usedBytes: Int64) -> Bool { maxBytes.map { usedBytes > $0 } ?? false }

    /// Jobs that finished at this time or earlier are due; `nil` if none is.
    func cutoff(at time: Timestamp, usedBytes: Int64) -> Timestamp? {
        let byAge = age.map { time.advanced(by: .zero - $0) }
        let bySize =
            isExceeded(by: usedBytes) ? time.advanced(by: .zero - SQLiteLimits.finishedJobMinimumAge) : nil
        return [byAge, bySize].compactMap { $0 }.max()
    }

    /// When the next job may become due; `nil` if only growth can make one due.
    /// - Parameter oldest: the finish of the oldest finished job. If there is none, the next job
    ///   finishes later than now.
    func nextCheck(at time: Timestamp, usedBytes: Int64, oldest: Timestamp?) -> Timestamp? {
        let byAge = age.map { (oldest ?? time).advanced(by: $0) }
        let bySize =
            isExceeded(by: usedBytes) ? oldest?.advanced(by: SQLiteLimits.finishedJobMinimumAge) : nil
        return [byAge, bySize].compactMap { $0 }.min().map { max($0, time.advanced(by: SQLiteLimits.pruneInterval)) }
    }
}
