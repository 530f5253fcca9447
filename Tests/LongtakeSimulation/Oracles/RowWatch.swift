import LongtakeCore
import LongtakeTesting

/// Checks that the rows and the counters of the store agree with the event logs (O6), as
/// `longtake check` does for a database.
struct RowWatch {
    private let queuedJobsLimit: Int
    /// The number of events of the feed that were checked.
    private var seen = 0
    /// The time of the last check.
    private(set) var seenAt = Timestamp(millisecondsSince1970: 0)

    /// - Parameter queuedJobsLimit: the limit of queued jobs for each tenant.
    init(queuedJobsLimit: Int) { self.queuedJobsLimit = queuedJobsLimit }

    /// Checks the jobs that have new events, and all counters.
    mutating func check(_ disk: Disk, _ now: Timestamp, _ stage: Stagehand) {
        guard stage.book.feed.count > seen else { return }
        defer { (seen, seenAt) = (stage.book.feed.count, now) }
        for job in Set(stage.book.feed[seen...].map(\.event.job)) {
            if let chronicle = stage.book.jobs[job] { checkRow(of: job, chronicle, disk, now, stage) }
        }
        checkCounters(of: disk.durable, stage)
    }

    private func checkRow(
        of job: JobID, _ chronicle: JobChronicle, _ disk: Disk, _ now: Timestamp, _ stage: Stagehand
    ) {
        func require(_ isKept: Bool, _ text: @autoclosure () -> String) {
            stage.verdict.check(isKept, .storage, "\(job): \(text())")
        }
        guard let facts = disk.durable.facts(of: job) else { return }
        require(facts.head.rawValue == Int64(chronicle.entries.count), "the head is #\(facts.head)")
        require(facts.lastAt == chronicle.entries.last?.event.at, "the row has another time than the last event")
        let tenant = chronicle.entries[0].event.tenant
        let view = disk.durable.job(job, of: tenant)
        let finishedAt = view?.finishedAt
        let stored = (view?.artifacts ?? []).map { "\($0.stage)/\($0.artifact.name): \($0.artifact.content.hash)" }
        let told = chronicle.artifacts.map { "\($0.value.stage)/\($0.key): \($0.value.hash)" }
        require(Set(stored) == Set(told), "it has the artifacts \(stored), and its events tell of \(told)")
        require(
            (finishedAt != nil) == (chronicle.end != nil), "its end time is \(finishedAt.map { "\($0)" } ?? "missing")")
        guard chronicle.end == nil else { return require(facts.holder == nil, "the job has ended, but has a holder") }
        require(facts.life.attempt == chronicle.attempt, "attempt \(facts.life.attempt), not \(chronicle.attempt)")
        let progress = facts.life.stageProgress.value
        require(
            progress == chronicle.stageProgress, "its stage has progress \(progress), not \(chronicle.stageProgress)")
        let owner = chronicle.owner.flatMap { $0.boot == disk.boots ? $0.claim : nil }
        require((facts.holder == nil) == (owner == nil), "the holder is \(facts.holder.map { "\($0)" } ?? "missing")")
        if let owner { require(facts.fence == owner.fence, "the fence is \(facts.fence.rawValue)") }
        guard let wait = chronicle.wait else { return require(facts.dueAt == nil, "it has a due time, but no retry") }
        // The delay began when the plan of the retry was made: after the previous transaction and
        // before now.
        let times = seenAt.advanced(by: wait)...now.advanced(by: wait)
        require(facts.dueAt.map { times.contains($0) } ?? false, "its retry is not due after \(wait)")
    }

    private func checkCounters(of ledger: MemoryLedger, _ stage: Stagehand) {
        for tenant in SimulatedJob.tenants {
            let queued = stage.book.queued(of: tenant)
            stage.verdict.check(
                ledger.queuedJobs(of: tenant) == queued, .storage,
                "\(queued) jobs of \(tenant) are queued, but the counter is \(ledger.queuedJobs(of: tenant))")
            stage.verdict.check(
                queued <= queuedJobsLimit, .honesty,
                "\(queued) jobs of \(tenant) are queued, but the limit is \(queuedJobsLimit)"
            )
        }
        for queue in [SimulatedJob.cpu, SimulatedJob.gpu] {
            let facts = stage.book.jobs.keys.compactMap { ledger.facts(of: $0) }
            let ready = facts.count { $0.isReady && $0.stage.queue == queue }
            stage.verdict.check(
                ledger.readyStages(on: queue) == ready, .storage,
                "\(ready) stages can be claimed on \(queue), but the counter is \(ledger.readyStages(on: queue))")
        }
    }
}
