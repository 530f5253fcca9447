import LongtakeCore
import Synchronization

/// Checks of queues: pauses, and turns between tenants.
extension JournalConformance {
    public func pausesQueues() async throws {
        let journal = try await make(ManualClock())
        let ready = Mutex<[QueueName]>([])
        journal.observeWork { notice in ready.withLock { $0 += notice.readyQueues } }
        for number in 1...2 { _ = try await journal.submit(Samples.submission(number)) }
        _ = try await journal.submit(Samples.submission(3, tenant: "other"))
        let running = try await claim(journal)
        for _ in 1...2 { try await journal.pause(Samples.cpu) }
        ready.withLock { $0 = [] }
        _ = try await journal.submit(Samples.submission(4))
        try expect(ready.withLock { $0 }.isEmpty, "a commit wakes no worker of a paused queue")
        try expect(
            try await journal.claim(queue: Samples.cpu, limit: 5).claims.isEmpty,
            "no stage of a paused queue can be claimed")
        let paused = try await journal.queues(of: nil)
        try expect(
            paused == [QueueStatus(name: Samples.cpu, running: 1, waiting: 3, isPaused: true)],
            "a queue reports its running and waiting stages")
        let own = try await journal.queues(of: TenantName(unchecked: "other"))
        try expect(
            own == [QueueStatus(name: Samples.cpu, running: 0, waiting: 1, isPaused: true)],
            "the status for a tenant counts only its own stages")
        let position = try await journal.job(Samples.submission(4).id, of: .anonymous)?.queuePosition
        try expect(position == 2, "a pause changes no queue position")

        _ = try await journal.report(report(0.5), for: running)
        _ = try await journal.finish(running, with: .succeeded(output: nil))
        _ = try await claim(journal, Samples.gpu)
        ready.withLock { $0 = [] }
        try await journal.resume(Samples.cpu)
        try expect(ready.withLock { $0 } == [Samples.cpu], "a resume wakes the queue")
        try expect(
            try await journal.claim(queue: Samples.cpu, limit: 5).claims.count == 3,
            "the stages that waited can be claimed")
        try await journal.resume(Samples.cpu)
        let after = try await journal.queues(of: nil)
        try expect(
            after == [
                QueueStatus(name: Samples.cpu, running: 3, waiting: 0), QueueStatus(name: Samples.gpu, running: 1),
            ], "a resumed queue behaves like one that was never paused")
        try await journal.close()
    }

    public func delaysDueRetriesOnAPausedQueue() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        _ = try await journal.submit(Samples.submission(1))
        let first = try await claim(journal)
        let error = JobError(code: "stage_failed", message: "no luck", stage: first.stage.name)
        _ = try await journal.finish(first, with: .retry(error: error, delay: .seconds(2)))
        try await journal.pause(Samples.cpu)
        let early = try await journal.claim(queue: Samples.cpu, limit: 1)
        try expect(
            early.nextDue == clock.now().advanced(by: .seconds(2)),
            "a claim on a paused queue returns the due time of a retry")
        clock.advance(by: .seconds(2))
        let due = try await journal.claim(queue: Samples.cpu, limit: 1)
        try expect(due == ClaimResult(claims: [], nextDue: nil), "a retry that is due waits on a paused queue")
        let status = try await journal.queues(of: nil)
        try expect(status.map(\.waiting) == [1], "a retry that is due counts as a waiting stage")
        try await journal.resume(Samples.cpu)
        let second = try await claim(journal)
        try expect(second.attempt == 2, "a retry can be claimed after the pause")
        try await journal.close()
    }

    /// This check and the next one failed when tenants were served in the order of their names.
    public func servesTenantsInTurn() async throws {
        let journal = try await make(ManualClock())
        var number = 0
        func submit(_ tenant: String, _ count: Int) async throws {
            for _ in 0..<count {
                number += 1
                _ = try await journal.submit(Samples.submission(number, tenant: tenant))
            }
        }
        var tenants: [JobID: String] = [:]
        func claimed(_ limit: Int) async throws -> [String] {
            for page in [try await journal.jobs(JobQuery(tenant: TenantName(unchecked: "big"), limit: 200))] {
                for job in page.jobs { tenants[job.id] = "big" }
            }
            return try await journal.claim(queue: Samples.cpu, limit: limit).claims.map { tenants[$0.job] ?? "other" }
        }
        try await submit("big", 100)
        _ = try await claimed(7)
        try await submit("a", 1)
        try await submit("z", 1)
        // At most one claim of each other waiting tenant comes first, for any number of concurrent
        // workers.
        let next = try await claimed(4)
        try expect(
            next.filter { $0 == "other" }.count == 2, "a tenant with many jobs delays each other tenant by one claim")
        for name in ["a", "z"] {
            try await submit(name, 1)
            let pair = try await claimed(1) + claimed(1)
            try expect(pair.contains("other"), "a tenant with many jobs delays a single job by one claim")
        }
        try await journal.close()
    }

    public func givesNoCreditToReturningTenants() async throws {
        let journal = try await make(ManualClock())
        for number in 1...60 { _ = try await journal.submit(Samples.submission(number, tenant: "old")) }
        _ = try await journal.claim(queue: Samples.cpu, limit: 30)
        for number in 61...90 { _ = try await journal.submit(Samples.submission(number, tenant: "new")) }
        let old = Set((1...60).map { Samples.submission($0).id })
        let next = try await journal.claim(queue: Samples.cpu, limit: 20).claims.filter { old.contains($0.job) }.count
        try expect((9...10).contains(next), "a tenant that returns takes turns, and does not make up for missed ones")
        try await journal.close()
    }
}
