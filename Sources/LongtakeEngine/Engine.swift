public import Logging
public import LongtakeCore
import Synchronization

/// Does the work: takes stages from the queues as workers become free, runs them, and writes down how they end.
///
/// It never polls. What makes it move is the journal's commits: a stage that can be claimed wakes its queue's ``Dispatcher``, and a
/// cancel mark stops the run of its job.
public final class Engine: Sendable {
    private let store: any WorkStore
    private let clock: any Clock<Duration>
    private let logger: Logger
    private let executions: Executions
    private let dispatchers: [QueueName: Dispatcher]
    private let phase = Mutex(Phase.idle)
    private let abandoned = AbandonedAttempts()
    private let strangers = Mutex<Set<QueueName>>([])

    private enum Phase {
        case idle
        /// The task ends when all dispatchers have; `ended` tells it to any number of waiters that may stop waiting.
        case running(Task<Void, Never>, ended: AsyncStream<Never>)
    }

    /// - Parameters:
    ///   - clock: measures waits, time limits and the distance of reports.
    ///   - wallClock: the one that the journal stamps due times with.
    public init(
        configuration: EngineConfiguration, store: any WorkStore, runners: StageRunners, clock: any Clock<Duration>,
        wallClock: any WallClock, logger: Logger
    ) {
        self.store = store
        self.clock = clock
        self.logger = logger
        let executions = Executions()
        self.executions = executions
        let worker = StageWorker(
            store: store, runners: runners, clock: clock, executions: executions,
            retries: RetryPolicy(randomness: configuration.randomness), speed: configuration.speed,
            reportInterval: configuration.reportInterval, stopGrace: configuration.stopGrace, abandoned: abandoned,
            logger: logger)
        var dispatchers: [QueueName: Dispatcher] = [:]
        for (queue, workers) in configuration.workers where workers > 0 {
            dispatchers[queue] = Dispatcher(
                queue: queue, workers: workers, store: store, clock: clock, wallClock: wallClock, worker: worker,
                logger: logger)
        }
        self.dispatchers = dispatchers
    }

    /// How many attempts were abandoned since the start, because their runner did not stop when it was told to.
    public var abandonedAttempts: Int { abandoned.count }

    /// Observes the journal's commits, then starts one dispatcher per queue, which claims what waits already. Called once.
    public func start() {
        phase.withLock { phase in
            guard case .idle = phase else { return }
            store.observeWork { [self] in observe($0) }
            let (ended, end) = AsyncStream<Never>.makeStream()
            // Unstructured since the engine runs from here to its drain, in nobody's scope.
            let task = Task { [dispatchers] in
                await withDiscardingTaskGroup { group in
                    for dispatcher in dispatchers.values {
                        group.addTask { await dispatcher.run() }
                    }
                }
                end.finish()
            }
            phase = .running(task, ended: ended)
        }
    }

    /// Stops: claims nothing more, interrupts every running stage and writes that down. Returns when all is written, or after `deadline`.
    ///
    /// A stage that succeeds in the last moment keeps its success. What could not be written by then is given up, and the next boot's
    /// recovery finds it.
    public func drain(deadline: Duration) async {
        guard case .running(let task, let ended) = phase.withLock({ $0 }) else { return }
        for dispatcher in dispatchers.values { dispatcher.stop() }
        executions.stopAll()
        await withDiscardingTaskGroup { group in
            let (over, isOver) = AsyncStream<Never>.makeStream()
            group.addTask {
                for await _ in ended {}
                isOver.finish()
            }
            group.addTask { [clock] in
                try? await clock.sleep(for: deadline)
                isOver.finish()
            }
            for await _ in over {}
            group.cancelAll()
        }
        // Past the deadline this ends the waits between tries to write; otherwise nothing is left to be cancelled.
        task.cancel()
    }

    /// Runs on the journal's writer: takes short locks, and calls nothing that waits.
    private func observe(_ notice: WorkNotice) {
        executions.observe(notice)
        for queue in notice.readyQueues {
            if let dispatcher = dispatchers[queue] {
                dispatcher.wake()
            } else if strangers.withLock({ $0.insert(queue).inserted }) {
                logger.warning("a stage waits on a queue that has no workers", metadata: ["queue": "\(queue)"])
            }
        }
        for (queue, due) in notice.delayedQueues {
            dispatchers[queue]?.expect(at: due)
        }
    }
}
