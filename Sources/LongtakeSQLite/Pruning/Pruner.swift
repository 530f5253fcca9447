public import Logging
public import LongtakeCore
import Synchronization

/// Removes finished jobs when they are due, between the commits of callers. A thin shell: ``PrunerState`` says when, ``PruneCommand`` what.
///
/// It never polls. It looks at the start, when the job that finished first becomes due, when the database has grown by some megabytes, when
/// a client has deleted a job, and where only active jobs hold the database above its bound, when one of them finishes.
public final class Pruner: Sendable {
    private let journal: SQLiteJournal
    private let retention: Retention
    private let clock: any Clock<Duration>
    private let wallClock: any WallClock
    private let rows: Int
    private let logger: Logger
    private let looks: AsyncStream<Void>
    private let look: AsyncStream<Void>.Continuation
    /// Set and read on the writer, so that no finish falls between the look that found nothing and the wish to be told.
    private let awaitsFinish = Atomic(false)
    private let timers = Mutex(PrunerTimers())

    /// - Parameters:
    ///   - clock: measures waits.
    ///   - wallClock: the one that the journal stamps jobs with. Ages are measured on its steady time, which no correction of the wall
    ///     clock changes: until the next start an age grows only as fast as time passes.
    ///   - rows: how many a transaction deletes.
    public init(
        journal: SQLiteJournal, retention: Retention, clock: any Clock<Duration>, wallClock: any WallClock,
        rows: Int = Limits.rowsPerPrune, logger: Logger
    ) {
        self.journal = journal
        self.retention = retention
        self.clock = clock
        self.wallClock = wallClock
        self.rows = rows
        self.logger = logger
        // All say the same; one that lies there already says it too.
        (looks, look) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Prunes until its task is cancelled or the journal is closed. Called once.
    public func run() async {
        journal.observeGrowth { [look] in look.yield() }
        journal.observeDeletions { [look] in look.yield() }
        journal.observeWork { [self] notice in
            guard awaitsFinish.load(ordering: .relaxed), !notice.ended.isEmpty else { return }
            look.yield()
        }
        look.yield()
        await withDiscardingTaskGroup { group in
            var state = PrunerState(retention)
            for await _ in looks {
                guard let next = await prune(&state), timers.withLock({ $0.set(next) }) else { continue }
                // At least a millisecond, so that two clocks that disagree cannot make this loop spin.
                let wait = max(1, next.millisecondsSince1970 - wallClock.steady().millisecondsSince1970)
                group.addTask { await self.sleep(for: .milliseconds(wait), thenLookAt: next) }
            }
            group.cancelAll()
            if let note = state.stopped() { tell(note) }
        }
    }

    /// Forgets the timer when its wait is over rather than when its time has come: the wall clock may be behind the one that waits.
    private func sleep(for wait: Duration, thenLookAt time: Timestamp) async {
        guard (try? await clock.sleep(for: wait)) != nil else { return }
        timers.withLock { $0.fired(time) }
        look.yield()
    }

    /// Transactions of pruning until nothing is due.
    /// - Returns: when to look again.
    private func prune(_ state: inout PrunerState) async -> Timestamp? {
        while !Task.isCancelled {
            do {
                let (outcome, worked) = try await slice(state)
                let (next, notes) = state.sliced(outcome, at: wallClock.steady())
                for note in notes { tell(note) }
                guard case .slice = next else {
                    guard case .look(let time) = next else { return nil }
                    return time
                }
                // Thrown only when the pruner is cancelled.
                try? await clock.sleep(for: worked * Limits.prunePauses)
            } catch JournalError.closed, JournalError.outcomeUnknown {
                look.finish()
                return nil
            } catch {
                logger.warning("cannot prune, will try again", metadata: ["error": "\(error)"])
                return wallClock.steady().advanced(by: Limits.pruneRetryDelay)
            }
        }
        return nil
    }

    private func slice(_ state: PrunerState) async throws -> (outcome: PruneOutcome, worked: Duration) {
        let command = PruneCommand(retention: retention, time: wallClock.steady(), rows: rows)
        return try await journal.maintain { [self] db in
            var outcome = PruneOutcome()
            let worked = try clock.measure { outcome = try command.run(db) }
            awaitsFinish.store(state.isBlocked(outcome), ordering: .relaxed)
            return (outcome, worked)
        }
    }

    private func tell(_ note: PrunerState.Note) {
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
