import LongtakeCore
import LongtakeTesting

/// Whether the rows and the counters of the store agree with the logs (O6), as `longtake check`
/// asks of a database.
struct RowWatch {
    private let queuedJobsLimit: Int
    /// How many events of the feed were looked at.
    private var seen = 0
    /// When that was.
    private(set) var seenAt = Timestamp(millisecondsSince1970: 0)

    /// - Parameter queuedJobsLimit: how many jobs of one tenant may be queued.
    init(queuedJobsLimit: Int) { self.queuedJobsLimit = queuedJobsLimit }

    /// Looks at the jobs that have new events.
    mutating func look(at disk: Disk, _ now: Timestamp, _ stage: Stagehand) {
        guard stage.book.feed.count > seen else { return }
        defer { (seen, seenAt) = (stage.book.feed.count, now) }
        for job in Set(stage.book.feed[seen...].map(\.event.job)) {
            if let chronicle = stage.book.jobs[job] { look(at: job, chronicle, disk, now, stage) }
        }
        lookAtCounters(of: disk.durable, stage)
    }

    private func look(
        at job: JobID, _ chronicle: JobChronicle, _ disk: Disk, _ now: Timestamp, _ stage: Stagehand
    ) {
        func require(_ isKept: Bool, _ text: @autoclosure () -> String) {
            stage.verdict.check(isKept, .storage, "\(job): \(text())")
        }
        guard let facts = disk.durable.facts(of: job) else { return }
        require(facts.head.rawValue == Int64(chronicle.entries.count), "the head is #\(facts.head)")
        require(facts.lastAt == chronicle.entries.last?.event.at, "the row has another time than the last event")
        let tenant = chronicle.entries[0].event.tenant
        let finishedAt = disk.durable.job(job, of: tenant)?.finishedAt
        require((finishedAt != nil) == (chronicle.end != nil), "it ended at \(finishedAt.map { "\($0)" } ?? "no time")")
        guard chronicle.end == nil else { return require(facts.holder == nil, "somebody has a stage of an ended job") }
        require(facts.life.attempt == chronicle.attempt, "attempt \(facts.life.attempt), not \(chronicle.attempt)")
        let progress = facts.life.stageProgress.value
        require(progress == chronicle.stageProgress, "its stage is at \(progress), not at \(chronicle.stageProgress)")
        let owner = chronicle.owner.flatMap { $0.boot == disk.boots ? $0.claim : nil }
        require((facts.holder == nil) == (owner == nil), "the holder is \(facts.holder.map { "\($0)" } ?? "nobody")")
        if let owner { require(facts.fence == owner.fence, "the fence is \(facts.fence.rawValue)") }
        guard let wait = chronicle.wait else { return require(facts.dueAt == nil, "it waits for a time") }
        // The delay began when the command was judged: after the transaction before, and before
        // now.
        let times = seenAt.advanced(by: wait)...now.advanced(by: wait)
        require(facts.dueAt.map { times.contains($0) } ?? false, "it does not wait for \(wait)")
    }

    private func lookAtCounters(of ledger: MemoryLedger, _ stage: Stagehand) {
        for tenant in SimulatedJob.tenants {
            let queued = stage.book.queued(of: tenant)
            stage.verdict.check(
                ledger.queuedJobs(of: tenant) == queued, .storage,
                "\(queued) jobs of \(tenant) are queued, and \(ledger.queuedJobs(of: tenant)) are counted")
            stage.verdict.check(
                queued <= queuedJobsLimit, .honesty,
                "\(queued) jobs of \(tenant) are queued, and \(queuedJobsLimit) may be")
        }
        for queue in [SimulatedJob.cpu, SimulatedJob.gpu] {
            let facts = stage.book.jobs.keys.compactMap { ledger.facts(of: $0) }
            let ready = facts.count { $0.isReady && $0.stage.queue == queue }
            stage.verdict.check(
                ledger.readyStages(on: queue) == ready, .storage,
                "\(ready) stages can be claimed on \(queue), and \(ledger.readyStages(on: queue)) are counted")
        }
    }
}
