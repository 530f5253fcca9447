import LongtakeCore
import LongtakeTesting

/// One seed from its first step to its verdict.
final class Schedule {
    /// What came of it.
    struct Outcome {
        let seed: UInt64
        let hash: UInt64
        let steps: Int
        let boots: Int
        let events: Int
        /// The promise that was broken, if one was.
        let broken: String?
    }

    private let seed: UInt64
    private let chance: Chance
    private let time = VirtualTime()
    private let stage: Stagehand
    private let scheduler: Scheduler
    private let disk: Disk
    private let clients: Clients
    private let happenings: [Happening]
    /// One step in so many is a happening.
    private let pace: Int
    private var boot: Boot?
    private var leftovers: [Boot.Leftovers] = []
    private var oldClaims: [Claim] = []
    private var stopsBy: Duration?
    private var wasFaulty = false

    init(seed: UInt64, isTold: Bool = false) {
        self.seed = seed
        chance = Chance(seed: seed)
        stage = Stagehand(time: time, isTold: isTold)
        scheduler = Scheduler(chance: chance, trace: stage.trace)
        disk = Disk(stage: stage)
        stage.isDiskFine = { [weak disk] in disk?.faults.areOff ?? true }
        clients = Clients(chance: chance, stage: stage)
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
        (stopsBy, wasFaulty) = (nil, false)
    }

    private func die(_ boot: Boot) {
        oldClaims += boot.journal.claims
        boot.die(clients.connections)
        clients.forget()
    }

    private func restart() throws {
        if let boot {
            die(boot)
            leftovers.append(boot.leftovers)
        }
        boot = nil
        try start()
    }

    private func stop() {
        guard let boot, !boot.isStopping else { return }
        stage.trace.tell("stop")
        wasFaulty = !disk.faults.areOff
        stopsBy = time.now + BootPlan.grace
        boot.stop()
    }

    private func look() throws {
        try lookAtBoot()
        guard !leftovers.isEmpty else { return }
        // Only now nobody here holds it any more.
        for names in leftovers.map(\.names) where !names.isEmpty {
            stage.verdict.blame(.goesOn, "a boot left something behind that waits for ever: \(names)")
        }
        leftovers = []
    }

    /// What ends a boot by itself.
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

    /// Nothing can go on until time passes. Where nothing holds the daemon up, all is done that could be done.
    private func lookAtRest() {
        guard let boot, !boot.isStopping, !boot.readsFail, stage.moment.isCalm else { return }
        for connection in clients.connections { connection.lookAtRest() }
        for (queue, workers) in boot.workers {
            let load = disk.durable.load(of: queue)
            stage.verdict.check(
                load.ready == 0 || load.running >= workers, .goesOn,
                "\(load.ready) stages wait on \(queue), where \(load.running) of \(workers) workers are busy")
        }
    }

    // MARK: Time

    /// Nothing can go on: until something can.
    private func passTime() {
        var step = chance.milliseconds(0...60)
        if let next = time.nextDeadline, next > time.now, !chance.isOne(in: 6) { step = next - time.now }
        // Sometimes later than the timer, as on a busy machine, so that several are due at once.
        if chance.isOne(in: 4) { step += chance.milliseconds(0...900) }
        stage.trace.mix(UInt64(step / .microseconds(1)))
        time.advance(by: step)
    }

    // MARK: What happens

    private func happen(_ happening: Happening) throws {
        guard let boot else { return }
        if !happening.isOrdinary || happening == .diskRoom { stage.disturbances += 1 }
        switch happening {
        case .submit: clients.desk.submit(to: boot)
        case .submitAgain: clients.desk.insist(to: boot)
        case .cancel: clients.desk.cancel(at: boot)
        case .follow: clients.follow(boot)
        case .followFeed: clients.followFeed(boot)
        case .poll: clients.poll(boot)
        case .hangUp: clients.connection?.cut()
        case .stall: clients.connection?.toggleReading()
        case .breakOnSend: clients.connection?.breaksOnSend = true
        case .diskFull: disk.faults.isFull = true
        case .diskRoom: (disk.faults.isFull, disk.faults.isStalled, disk.faults.areReadsStalled) = (false, false, false)
        case .refusedCommit: disk.faults.nextCommit = .refused
        case .lostCommit: disk.faults.nextCommit = .unknown(happened: chance.isOne(in: 2))
        case .stalledReads: disk.faults.areReadsStalled = true
        case .storm: clients.storm(boot)
        case .stalledDisk: disk.faults.isStalled = true
        case .failingReads:
            disk.faults.failingReads = disk.faults.failingReads == nil ? 1 + chance.below(4) : nil
            boot.readsFail = true
        case .fewSubmissions: disk.faults.submissionsWaiting = chance.below(2)
        case .crash where chance.isOne(in: 2):
            stage.trace.tell("crash")
            try restart()
        case .stop where chance.isOne(in: 2): stop()
        case .crash, .stop: break
        case .wallForward: time.setWall(by: chance.milliseconds(1_000...20_000))
        case .wallBack: time.setWall(by: .zero - chance.milliseconds(1_000...20_000))
        case .pause:
            wasFaulty = true
            time.advance(by: chance.milliseconds(10_000...100_000))
            // Whoever was refused something before hears of it only now.
            stage.noteRefusal()
        case .ghost: speak(for: oldClaims + boot.journal.claims, to: boot)
        }
    }

    /// A claim that may not hold any more is used. The book finds out where it changes something.
    private func speak(for claims: [Claim], to boot: Boot) {
        guard !claims.isEmpty else { return }
        let claim = chance.one(of: claims)
        guard stage.book.jobs[claim.job]?.owner?.token != claim.token else { return }
        stage.trace.tell("a ghost speaks for \(claim.job)")
        let report = StageReport(progress: Progress(0.5), message: "boo")
        let isReport = chance.isOne(in: 2)
        // Unstructured: it is nobody's worker.
        Task {
            if isReport {
                try await boot.journal.report(report, for: claim)
            } else {
                _ = try await boot.journal.finish(claim, with: .succeeded(output: nil))
            }
        }
    }

    // MARK: The end

    /// Faults off: everything has to come to its end.
    private func calm() throws {
        stage.trace.tell("faults off")
        stage.disturbances += 1
        disk.faults = DiskFaults()
        let deadline = time.now + .seconds(900)
        while stage.verdict.isClean {
            if !scheduler.step() {
                guard let boot, !clients.areDone else { break }
                stage.verdict.check(time.now < deadline, .goesOn, "stuck: \(clients.unfinished)")
                lookAtRest()
                clients.comeBack(to: boot)
                passTime()
            }
            try look()
        }
    }

    /// An orderly stop, and a last look at what the disk holds.
    private func end() throws {
        stop()
        while stage.verdict.isClean, boot?.isStopping == true {
            if !scheduler.step() { passTime() }
            try look()
        }
        verify()
    }

    private func verify() {
        for (id, job) in clients.desk.acknowledged {
            guard let kept = disk.durable.job(id, of: job.tenant), let chronicle = stage.book.jobs[id] else {
                stage.verdict.blame(.acknowledgedIsKept, "\(id) is gone")
                continue
            }
            stage.verdict.check(kept.input == job.input, .acknowledgedIsKept, "\(id) has another input")
            let end = chronicle.end.map { "\($0.rawValue)" } ?? "nothing"
            stage.verdict.check(end == "job.\(kept.state.rawValue)", .oneEnd, "\(id) is \(kept.state) after \(end)")
            stage.verdict.check(
                !job.isCanceled || chronicle.end == .jobCanceled, .oneEnd, "\(id) was to be canceled, and \(end)")
            let log = disk.durable.events(of: id, of: job.tenant, after: .beforeFirst, limit: 10_000)?.events
            stage.verdict.check(log == chronicle.entries.map(\.event), .log, "\(id) has another log than it had")
        }
    }
}
