import Logging
import LongtakeCore
import LongtakeEngine
import LongtakeStream
import LongtakeTesting

/// One boot of the daemon, with its parts connected as in the daemon. Unchecked, because the
/// simulation has one thread.
final class Boot: @unchecked Sendable {
    let journal: SimulatedJournal
    let hub: StreamHub
    let loops: [SimulatedLoop]
    let workers: [QueueName: Int]
    /// `false` after the process was killed: its results reach no client.
    private(set) var isAlive = true
    private(set) var isStopping = false
    /// Reads have failed at some time in this boot.
    var readsFail = false
    /// Reads have hung at some time in this boot. Their readers are disconnected after a while, and
    /// return.
    var readsHang = false
    /// The graceful shutdown is complete.
    private(set) var hasStopped = false
    private let engine: Engine
    private let time: VirtualTime
    private let scheduler: Scheduler

    init(_ plan: BootPlan, disk: Disk, time: VirtualTime, scheduler: Scheduler, chance: Chance, stage: Stagehand) throws
    {
        self.time = time
        self.scheduler = scheduler
        try disk.open(at: time.wall.reading())
        let loops = (0..<plan.loops).map { _ in SimulatedLoop(time: time) }
        self.loops = loops
        workers = plan.workers
        time.boot(loops)
        journal = SimulatedJournal(
            disk: disk, time: time, chance: chance, stage: stage, eventsPerPage: plan.eventsPerPage)
        let logger = Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }
        let random = SendableChance(chance)
        hub = StreamHub(
            journal: journal, loops: loops,
            configuration: plan.streams(random), logger: logger)
        let runner = WatchedRunner(clock: time.clock, boot: disk.boots, stage: stage)
        engine = Engine(
            configuration: EngineConfiguration(workers: plan.workers, randomness: random),
            store: journal, runners: StageRunners([.simulated: runner]), clock: time.clock, wallClock: time.wall,
            logger: logger)
        NoticeWatch(disk: disk, stage: stage).observe(journal)
        scheduler.follow(loops + [journal.writer, journal.reads])
        engine.start()
    }

    /// A graceful shutdown in the daemon's order: no new work, interrupt the stages, end the
    /// streams, close the database.
    func stop() {
        isStopping = true
        // Unstructured: it runs beside everything that it stops.
        Task { [self] in
            await engine.drain(deadline: BootPlan.grace * 3 / 10)
            await hub.drain(within: BootPlan.grace / 2)
            try? await journal.close()
            hasStopped = true
        }
    }

    /// Kills the process: from here on its results reach no client. Its tasks still run to their
    /// end, so that none of them stays in memory.
    /// - Parameter connections: the open connections, which break.
    func die(_ connections: [ReaderConnection]) {
        isAlive = false
        for connection in connections { connection.cut() }
        journal.die()
        time.clock.close()
        // Unstructured, as above.
        Task { [self] in
            await engine.drain(deadline: .zero)
            await hub.drain(within: .zero)
        }
        scheduler.runAll()
        for loop in loops { loop.close() }
        scheduler.runAll()
        scheduler.follow([])
    }

    /// The objects that must be released when a boot is over. If one of them still exists, a task
    /// waits forever.
    var leftovers: Leftovers { Leftovers(boot: self, journal: journal, hub: hub, engine: engine) }

    struct Leftovers {
        weak var boot: Boot?
        weak var journal: SimulatedJournal?
        weak var hub: StreamHub?
        weak var engine: Engine?

        var names: [String] {
            [(boot as AnyObject?, "boot"), (journal, "journal"), (hub, "hub"), (engine, "engine")]
                .filter { $0.0 != nil }.map(\.1)
        }
    }
}
