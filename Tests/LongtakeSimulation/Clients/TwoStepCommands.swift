import LongtakeCore
import LongtakeStorage
import LongtakeTesting

/// Commands whose plan is made in one transaction and executed in a later one, as in a store with
/// several writers.
///
/// The job may change between the two transactions. If it does, the ledger must report the plan as
/// stale, and the client makes a new plan.
struct TwoStepCommands {
    private struct Judged {
        let plan: LedgerPlan
        /// The claim whose worker writes the events.
        let author: ClaimID?
        let boot: Int
        let judge: (JobFacts, ClockReading) throws -> LedgerPlan
    }

    private var judged: [Judged] = []

    /// Makes the plan of a command, or executes a plan that was made before.
    mutating func step(
        _ boot: Boot, _ disk: Disk, _ submitters: Submitters, _ chance: Chance, _ stage: Stagehand,
        at moment: ClockReading
    ) {
        judged.removeAll { $0.boot != disk.boots }
        guard !boot.isStopping else { return }
        if judged.count < 4, chance.isOne(in: 2) {
            guard let (facts, author, judge) = draw(boot, disk, submitters, chance) else { return }
            guard let plan = try? judge(facts, moment) else { return }
            judged.append(Judged(plan: plan, author: author, boot: disk.boots, judge: judge))
            // The queue is paused before the plan is executed.
            if let queue = Self.claimedQueue(plan), chance.isOne(in: 2) { pause(queue, boot, stage) }
        } else if !judged.isEmpty {
            let next = judged.remove(at: chance.below(judged.count))
            execute(next, boot, stage)
        }
    }

    private func pause(_ queue: QueueName, _ boot: Boot, _ stage: Stagehand) {
        stage.trace.tell("pause \(queue)")
        // Unstructured: another client pauses the queue, so the caller does not wait for it.
        Task { try? await boot.journal.pause(queue) }
    }

    private typealias Judge = (JobFacts, ClockReading) throws -> LedgerPlan

    private func draw(
        _ boot: Boot, _ disk: Disk, _ submitters: Submitters, _ chance: Chance
    ) -> (JobFacts, ClaimID?, Judge)? {
        let jobs = submitters.acknowledged.compactMap { disk.durable.facts(of: $0.id) }
        let holder = disk.holder
        // Also stages of a paused queue: their plan is the same as one made right before the pause.
        let ready = jobs.filter(\.isReady)
        // Stages seldom wait for long.
        if !ready.isEmpty, !chance.isOne(in: 4) {
            let facts = chance.one(of: ready)
            let author = ClaimID(job: facts.id, stageIndex: facts.life.stageIndex, fence: facts.fence.next)
            return (facts, author, { try LedgerPlan.claim(by: holder, on: $0, at: $1) })
        }
        let running = jobs.filter { $0.holder == holder }
        if !running.isEmpty, chance.isOne(in: 2) {
            let facts = chance.one(of: running)
            let claim = ClaimID(job: facts.id, stageIndex: facts.life.stageIndex, fence: facts.fence)
            // It carries no progress, so it does not overwrite the worker's checkpoint.
            let report = JobCommand.report(StageReport(progress: .none, message: "late"))
            return (facts, claim, { try LedgerPlan.work(report, by: claim, of: holder, on: $0, at: $1) })
        }
        guard !jobs.isEmpty else { return nil }
        return (chance.one(of: jobs), nil, { try LedgerPlan.cancel($0, at: $1) })
    }

    private func execute(_ command: Judged, _ boot: Boot, _ stage: Stagehand) {
        let job = command.plan.after.id
        stage.trace.tell("executing an earlier plan for job \(job)")
        let write = SimulatedCommand(.normal, by: command.author, until: nil, stage: stage) { ledger, moment in
            if ledger.execute(command.plan) == .done {
                try Self.release(command, &ledger, stage, at: moment)
            } else if let facts = ledger.facts(of: job) {
                try Self.judgeAgain(command, on: facts, &ledger, stage, at: moment)
            }
            return {}
        } reject: { _ in
        }
        boot.journal.writer.add(write)
    }

    private static func judgeAgain(
        _ command: Judged, on facts: JobFacts, _ ledger: inout MemoryLedger, _ stage: Stagehand, at moment: ClockReading
    ) throws {
        let plan = try command.judge(facts, moment)
        guard claimedQueue(plan) == nil else {
            // If a claim is stale, a store claims another stage, so this client drops the plan.
            return stage.verdict.check(
                facts.life.stageState == .queued, .stages, "a stage of \(facts.id) is claimed, but it does not wait")
        }
        stage.verdict.check(ledger.execute(plan) == .done, .progress, "a new plan for \(facts.id) is already stale")
    }

    /// No worker runs a stage that was claimed here, so it returns to its queue in the same
    /// transaction.
    private static func release(
        _ command: Judged, _ ledger: inout MemoryLedger, _ stage: Stagehand, at moment: ClockReading
    ) throws {
        guard let queue = claimedQueue(command.plan) else { return }
        let isPaused = ledger.queues(of: nil).contains { $0.name == queue && $0.isPaused }
        stage.verdict.check(!isPaused, .fairness, "\(command.plan.after.id) is claimed from \(queue), which is paused")
        guard let author = command.author, let facts = ledger.facts(of: author.job), let holder = facts.holder else {
            return
        }
        _ = ledger.execute(
            try LedgerPlan.work(.interrupt(.shutdown), by: author, of: holder, on: facts, at: moment))
    }

    /// The queue from which a plan claims a stage; `nil` if the plan is not that of a claim.
    private static func claimedQueue(_ plan: LedgerPlan) -> QueueName? {
        plan.events.contains { [.stageStarted, .jobResumed].contains($0.event.type) } ? plan.after.stage.queue : nil
    }
}
