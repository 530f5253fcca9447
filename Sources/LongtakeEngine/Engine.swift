public import Logging
public import LongtakeCore
import Synchronization

/// Runs the stages of jobs: claims them when workers become free, runs them, and stores their
/// results.
///
/// The engine never polls. The journal tells it about each commit that concerns it. A stage that
/// can be claimed wakes the ``Dispatcher`` of its queue, and a cancel request stops the attempts of
/// its job.
public final class Engine: Sendable {
    private let store: any WorkStore
    private let clock: any Clock<Duration>
    private let logger: Logger
    private let attempts: ActiveAttempts
    private let dispatchers: [QueueName: Dispatcher]
    private let phase = Mutex(Phase.idle)
    private let abandoned = AbandonedAttempts()
    /// Queues without workers for which a warning has been logged.
    private let reportedQueues = Mutex<Set<QueueName>>([])

    private enum Phase {
        case idle
        /// The task ends when all dispatchers have ended. `ended` then finishes, so that callers
        /// can wait for it and stop waiting at any time.
        case running(Task<Void, Never>, ended: AsyncStream<Never>)
    }

    /// Makes an engine that does nothing until ``start()``.
    /// - Parameters:
    ///   - clock: measures backoffs, time limits and the interval between reports.
    ///   - wallClock: the clock with which the journal stamps the times of retries.
    public init(
        configuration: EngineConfiguration, store: any WorkStore, runners: StageRunners, clock: any Clock<Duration>,
        wallClock: any WallClock, logger: Logger
    ) {
        self.store = store
        self.clock = clock
        self.logger = logger
        let attempts = ActiveAttempts()
        self.attempts = attempts
        let worker = StageWorker(
            store: store, runners: runners, clock: clock, attempts: attempts,
            retries: RetryPolicy(randomness: configuration.randomness), speed: configuration.speed,
            reportInterval: configuration.reportInterval, stopGrace: configuration.stopGrace, abandoned: abandoned,
            logger: logger)
        var dispatchers: [QueueName: Dispatcher] = [:]
        for (queue, workers) in configuration.workers where workers > 0 {
            dispatchers[queue] = Dispatcher(
                queue: queue, workers: workers, store: store, mayClaim: { configuration.mayClaim(queue) }, clock: clock,
                wallClock: wallClock, worker: worker, logger: logger)
        }
        self.dispatchers = dispatchers
    }

    /// How many attempts were abandoned since the start, because their runner did not stop within
    /// the grace period.
    public var abandonedAttempts: Int { abandoned.count }

    /// Observes the journal's commits, then starts one dispatcher per queue. Each dispatcher first
    /// claims the stages that already wait. Only the first call has an effect.
    public func start() {
        phase.withLock { phase in
            guard case .idle = phase else { return }
            store.observeWork { [self] in observe($0) }
            let (ended, end) = AsyncStream<Never>.makeStream()
            // Unstructured, because the engine runs until it is drained and no caller waits for it.
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

    /// Claims no more stages, interrupts the running ones and stores how they ended. Returns when
    /// all results are stored, or when `deadline` has passed.
    ///
    /// A stage that succeeds during the drain keeps its success. If a result cannot be stored
    /// before the deadline, it is lost, and the next boot recovers the stage.
    public func drain(deadline: Duration) async {
        guard case .running(let task, let ended) = phase.withLock({ $0 }) else { return }
        for dispatcher in dispatchers.values { dispatcher.stop() }
        attempts.stopAll()
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
        // After the deadline this ends the workers' waits between retries. Before it, all tasks
        // have ended already.
        task.cancel()
    }

    /// Runs on the journal's writer, so it takes short locks only and never waits.
    private func observe(_ notice: WorkNotice) {
        attempts.observe(notice)
        for queue in notice.readyQueues {
            if let dispatcher = dispatchers[queue] {
                dispatcher.wake()
            } else if reportedQueues.withLock({ $0.insert(queue).inserted }) {
                logger.warning("a stage waits on a queue that has no workers", metadata: ["queue": "\(queue)"])
            }
        }
        for (queue, due) in notice.delayedQueues {
            dispatchers[queue]?.expect(at: due)
        }
    }
}

/// The engine's settings.
public struct EngineConfiguration: Sendable {
    /// How many stages run at the same time on each queue, 1 to ``EngineLimits/workersPerQueue``. A
    /// queue that is missing here has no workers, so its stages wait.
    public var workers: [QueueName: Int]
    /// The speed of simulated work for jobs that set no speed of their own. Bounds:
    /// ``Limits/simulationSpeed``.
    public var speed: Double
    /// The minimum time between two reports of one stage. The last report is exempt.
    public var reportInterval: Duration
    /// How long a runner may take to end after it was asked to stop. Then the engine abandons the
    /// attempt, and its worker is free.
    public var stopGrace: Duration
    /// The source of the jitter of retries.
    public var randomness: any RandomNumberGenerator & Sendable
    /// Whether stages of a queue may be claimed now (``DiskGate``). It is asked before each claim,
    /// and again after at most five seconds while it says no.
    public var mayClaim: @Sendable (QueueName) -> Bool

    /// Makes a configuration. The defaults are those of the daemon.
    public init(
        workers: [QueueName: Int] = Self.defaultWorkers, speed: Double = 1,
        reportInterval: Duration = EngineLimits.reportInterval, stopGrace: Duration = EngineLimits.runnerStopGrace,
        randomness: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(),
        mayClaim: @escaping @Sendable (QueueName) -> Bool = { _ in true }
    ) {
        self.workers = workers
        self.speed = speed
        self.reportInterval = reportInterval
        self.stopGrace = stopGrace
        self.randomness = randomness
        self.mayClaim = mayClaim
    }

    /// Workers for the queues of the built-in pipelines.
    public static let defaultWorkers: [QueueName: Int] = [
        QueueName(unchecked: "cpu"): 4, QueueName(unchecked: "ffmpeg"): 2, QueueName(unchecked: "gpu"): 2,
        QueueName(unchecked: "io"): 8,
    ]
}
