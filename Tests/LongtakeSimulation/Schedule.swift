import LongtakeCore
import LongtakeTesting

/// One run of the daemon with its clients and faults. A seed decides the order of all steps.
final class Schedule {
    /// The result of a schedule.
    struct Outcome {
        let seed: UInt64
        let hash: UInt64
        let steps: Int
        let boots: Int
        let events: Int
        /// The guarantee that was violated, if one was.
        let broken: String?
    }

    private let seed: UInt64
    let chance: Chance
    let time = VirtualTime()
    let stage: Stagehand
    let scheduler: Scheduler
    let disk: Disk
    let clients: Clients
    private var rows: RowWatch
    var twoSteps = TwoStepCommands()
    private let actions: [ScheduleAction]
    /// One step in this number is an action.
    private let pace: Int
    private(set) var boot: Boot?
    private var leftovers: [Boot.Leftovers] = []
    private(set) var oldClaims: [Claim] = []
    private var stopsBy: Duration?
    var wasFaulty = false

    init(seed: UInt64, printsTrace: Bool = false) {
        self.seed = seed
        chance = Chance(seed: seed)
        stage = Stagehand(time: time, printsTrace: printsTrace)
        scheduler = Scheduler(chance: chance, trace: stage.trace)
        let queuedJobsLimit = seed.isMultiple(of: 3) ? 3 : 10_000
        disk = Disk(stage: stage, queuedJobsLimit: queuedJobsLimit)
        rows = RowWatch(queuedJobsLimit: queuedJobsLimit)
        stage.isDiskFine = { [weak disk] in disk?.faults.areOff ?? true }
        clients = Clients(chance: chance, stage: stage, queuedJobsLimit: queuedJobsLimit)
        actions = ScheduleAction.drawn(chance)
        pace = 2 + chance.below(30)
    }

    func run() throws -> Outcome {
        try start()
        var left = 10 + chance.below(40)
        while left > 0, stage.verdict.isClean {
            if chance.isOne(in: pace) {
                try perform(chance.one(of: actions))
                left -= 1
            } else if chance.isOne(in: 20) {
                time.advance(by: chance.milliseconds(0...20))
            } else if !scheduler.step() {
                lookAtRest()
                passTime()
            }
            try check()
        }
        if stage.verdict.isClean { try runWithoutFaults() }
        if stage.verdict.isClean { try end() }
        if let boot { die(boot) }
        return Outcome(
            seed: seed, hash: stage.trace.hash, steps: scheduler.steps, boots: disk.boots,
            events: stage.book.feed.count, broken: stage.verdict.broken)
    }

    // MARK: Boots

    private func start() throws {
        stage.trace.tell("boot \(disk.boots + 1)")
        stage.disturbances += 1
        boot = try Boot(
            BootPlan(chance), disk: disk, time: time, scheduler: scheduler, chance: chance, stage: stage)
        boot?.readsFail = disk.faults.failingReads != nil
        boot?.readsHang = disk.faults.areReadsStalled
        (stopsBy, wasFaulty) = (nil, false)
    }

    private func die(_ boot: Boot) {
        oldClaims += boot.journal.claims
        boot.die(clients.connections)
        clients.forgetConnections()
    }

    func restart() throws {
        if let boot {
            die(boot)
            leftovers.append(boot.leftovers)
        }
        boot = nil
        try start()
    }

    func stop() {
        guard let boot, !boot.isStopping else { return }
        stage.trace.tell("stop")
        // A recent rejection by the disk counts as a fault too: a worker may wait longer for its
        // next try than the engine's drain lasts.
        wasFaulty = !stage.moment.isCalm
        stopsBy = time.now + BootPlan.grace
        boot.stop()
    }

    func check() throws {
        try checkBoot()
        rows.check(disk, time.wall.steady(), stage)
        guard !leftovers.isEmpty else { return }
        // This comes after all functions that have the boot in a variable have returned.
        for names in leftovers.map(\.names) where !names.isEmpty {
            stage.verdict.fail(.progress, "objects of an earlier boot were not released: \(names)")
        }
        leftovers = []
    }

    /// Checks if the boot ends by itself.
    private func checkBoot() throws {
        guard let boot else { return }
        if boot.journal.writer.isLost {
            stage.trace.tell("the process exits, because the outcome of a commit is unknown")
            return try restart()
        }
        if !disk.faults.areOff { wasFaulty = true }
        guard let stopsBy else { return }
        if boot.hasStopped {
            let owned = stage.book.jobs.values.contains { $0.owner?.boot == disk.boots && $0.end == nil }
            stage.verdict.check(wasFaulty || !owned, .stages, "a graceful shutdown left a stage with an owner")
            stage.trace.tell("stopped")
            try restart()
        } else if time.now > stopsBy + .seconds(2) {
            stage.verdict.check(wasFaulty, .progress, "a graceful shutdown takes longer than its grace period")
            stage.trace.tell("the shutdown took too long")
            try restart()
        }
    }

    /// Called when nothing can run before time passes. If no fault delays the daemon, no work may
    /// be left that could be done now.
    func lookAtRest() {
        guard let boot, !boot.isStopping, !boot.readsFail, stage.moment.isCalm else { return }
        boot.journal.writer.lookAtRest()
        boot.journal.reads.lookAtRest()
        for connection in clients.connections { connection.lookAtRest() }
        for (queue, workers) in boot.workers {
            var status = disk.durable.queues(of: nil).first { $0.name == queue } ?? QueueStatus(name: queue)
            status.waiting += overdue(on: queue)
            stage.verdict.check(
                status.waiting == 0 || status.isPaused || status.running >= workers, .progress,
                "\(status.waiting) stages wait on \(queue), but only \(status.running) of \(workers) workers are busy")
        }
    }

    /// The number of retries on a queue that are overdue. The last second does not count, because a
    /// timer that begins late ends late, and a retry may already be due when it becomes durable.
    private func overdue(on queue: QueueName) -> Int {
        let now = time.wall.steady()
        guard rows.seenAt.advanced(by: .seconds(1)) < now else { return 0 }
        return stage.book.jobs.keys.count { job in
            guard let facts = disk.durable.facts(of: job), let due = facts.dueAt else { return false }
            return facts.stage.queue == queue && due.advanced(by: .seconds(1)) < now
        }
    }

    // MARK: Time

    /// Advances the time until something can run.
    func passTime() {
        var step = chance.milliseconds(0...60)
        if let next = time.nextDeadline, next > time.now, !chance.isOne(in: 6) { step = next - time.now }
        // Sometimes later than the timer, as on a busy machine, so that several timers are due at
        // once.
        if chance.isOne(in: 4) { step += chance.milliseconds(0...900) }
        stage.trace.mix(UInt64(step / .microseconds(1)))
        time.advance(by: step)
    }
}
