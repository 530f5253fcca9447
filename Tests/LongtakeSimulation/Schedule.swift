import LongtakeCore
import LongtakeTesting

/// One seed, from its first step to its verdict.
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
    private let happenings: [Happening]
    /// One step in this number is a happening.
    private let pace: Int
    private(set) var boot: Boot?
    private var leftovers: [Boot.Leftovers] = []
    private(set) var oldClaims: [Claim] = []
    private var stopsBy: Duration?
    var wasFaulty = false

    init(seed: UInt64, isPrinted: Bool = false) {
        self.seed = seed
        chance = Chance(seed: seed)
        stage = Stagehand(time: time, isPrinted: isPrinted)
        scheduler = Scheduler(chance: chance, trace: stage.trace)
        let queuedJobsLimit = seed.isMultiple(of: 3) ? 3 : 10_000
        disk = Disk(stage: stage, queuedJobsLimit: queuedJobsLimit)
        rows = RowWatch(queuedJobsLimit: queuedJobsLimit)
        stage.isDiskFine = { [weak disk] in disk?.faults.areOff ?? true }
        clients = Clients(chance: chance, stage: stage, queuedJobsLimit: queuedJobsLimit)
        happenings = Happening.drawn(chance)
        pace = 2 + chance.below(30)
    }

    func run() throws -> Outcome {
        try start()
        var left = 10 + chance.below(40)
        while left > 0, stage.verdict.isClean {
            if chance.isOne(in: pace) {
                try happen(chance.one(of: happenings))
                left -= 1
            } else if chance.isOne(in: 20) {
                time.advance(by: chance.milliseconds(0...20))
            } else if !scheduler.step() {
                lookAtRest()
                passTime()
            }
            try look()
        }
        if stage.verdict.isClean { try calm() }
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
        clients.forget()
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
        // Also if the disk has rejected a command lately: a worker may wait longer for its next try
        // than the engine's drain lasts.
        wasFaulty = !stage.moment.isCalm
        stopsBy = time.now + BootPlan.grace
        boot.stop()
    }

    func look() throws {
        try lookAtBoot()
        rows.look(at: disk, time.wall.steady(), stage)
        guard !leftovers.isEmpty else { return }
        // Only now no variable here holds the boot.
        for names in leftovers.map(\.names) where !names.isEmpty {
            stage.verdict.blame(.goesOn, "a boot left something behind that waits for ever: \(names)")
        }
        leftovers = []
    }

    /// Checks if the boot ends by itself.
    private func lookAtBoot() throws {
        guard let boot else { return }
        if boot.journal.writer.isLost {
            stage.trace.tell("the process ends, since nobody knows what is on the disk")
            return try restart()
        }
        if !disk.faults.areOff { wasFaulty = true }
        guard let stopsBy else { return }
        if boot.hasStopped {
            let owned = stage.book.jobs.values.contains { $0.owner?.boot == disk.boots && $0.end == nil }
            stage.verdict.check(wasFaulty || !owned, .stages, "an orderly stop left a stage in somebody's hands")
            stage.trace.tell("stopped")
            try restart()
        } else if time.now > stopsBy + .seconds(2) {
            stage.verdict.check(wasFaulty, .goesOn, "an orderly stop does not end within its grace")
            stage.trace.tell("the stop took too long")
            try restart()
        }
    }

    /// Called if nothing can run before time passes. If no fault delays the daemon, everything
    /// possible must be done.
    func lookAtRest() {
        guard let boot, !boot.isStopping, !boot.readsFail, stage.moment.isCalm else { return }
        boot.journal.writer.lookAtRest()
        boot.journal.reads.lookAtRest()
        for connection in clients.connections { connection.lookAtRest() }
        for (queue, workers) in boot.workers {
            var status = disk.durable.queues(of: nil).first { $0.name == queue } ?? QueueStatus(name: queue)
            status.waiting += overdue(on: queue)
            stage.verdict.check(
                status.waiting == 0 || status.isPaused || status.running >= workers, .goesOn,
                "\(status.waiting) stages wait on \(queue), where \(status.running) of \(workers) workers are busy")
        }
    }

    /// How many stages wait on a queue for a time that has passed. A timer that began late ends
    /// late, and a time may have passed when it becomes durable. So the last second does not count.
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
