import Logging
import LongtakeCore
import LongtakeEngine
import LongtakeStream
import LongtakeTesting

/// One life of the daemon, wired as the daemon does it. Unchecked, because the simulation has one thread.
final class Boot: @unchecked Sendable {
    let journal: SimulatedJournal
    let hub: StreamHub
    let loops: [SimulatedLoop]
    let workers: [QueueName: Int]
    /// What the daemon does reaches somebody.
    private(set) var isAlive = true
    private(set) var isStopping = false
    /// At some time in this boot reads have failed.
    var readsFail = false
    /// At some time in this boot reads have hung. After a while their readers are cut off, to come back.
    var readsHang = false
    /// The orderly stop is through.
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

    /// The order of an orderly stop: nothing new, work put back and journaled, streams ended, database closed.
    func stop() {
        isStopping = true
        // Unstructured, since it runs beside all that it stops.
        Task { [self] in
            await engine.drain(deadline: BootPlan.grace * 3 / 10)
            await hub.drain(within: BootPlan.grace / 2)
            try? await journal.close()
            hasStopped = true
        }
    }

    /// The process is gone: nothing of it reaches anybody any more. What is left of it is let run out, so that nothing stays behind.
    /// - Parameter connections: to it, which break.
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

    /// What must be gone when a boot is: its leftovers would be tasks that wait for ever.
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
