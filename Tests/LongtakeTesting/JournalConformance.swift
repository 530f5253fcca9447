public import LongtakeCore
import Synchronization

/// The rules that every implementation of a journal must keep. Each check opens a journal of its
/// own, and throws if a rule is violated.
public struct JournalConformance: Sendable {
    /// Opens a journal with a clock and a limit of queued jobs for each tenant.
    let open: @Sendable (any WallClock, _ queuedJobsPerTenant: Int) async throws -> any Journal

    public init(_ open: @escaping @Sendable (any WallClock, Int) async throws -> any Journal) { self.open = open }

    func make(_ clock: any WallClock) async throws -> any Journal {
        try await open(clock, Limits.queuedJobsPerTenantDefault)
    }

    /// A violated rule.
    public struct Violation: Error, CustomStringConvertible {
        /// The rule.
        public let description: String
    }

    /// A check, and the name that the test shows.
    public struct Check: Sendable, CustomStringConvertible {
        public let description: String
        public let run: @Sendable (JournalConformance) async throws -> Void
    }

    public static let all: [Check] =
        [
            Check(description: "numbers events from 1 without a gap") { try await $0.numbersEventsWithoutGaps() },
            Check(description: "rejects stale claims") { try await $0.rejectsStaleClaims() },
            Check(description: "notifies observers before it resumes callers") {
                try await $0.notifiesObserversBeforeCallers()
            },
            Check(description: "returns the job of a known idempotency key") {
                try await $0.returnsTheJobOfAKnownKey()
            },
            Check(description: "cancels a job although its stage succeeds later") {
                try await $0.cancelsDespiteALaterSuccess()
            },
            Check(description: "delays a retry until it is due") { try await $0.delaysARetryUntilItIsDue() },
            Check(description: "does not delay a retry when the clock is set back") {
                try await $0.retriesWhenTheClockIsSetBack()
            },
            Check(description: "resumes an interrupted stage") { try await $0.resumesAnInterruptedStage() },
            Check(description: "stores a checkpoint without an event") { try await $0.storesACheckpointAlone() },
            Check(description: "fails a command stage in a crash loop") { try await $0.endsCrashLoops() },
            Check(description: "hands out stages fairly to tenants") { try await $0.claimsFairlyBetweenTenants() },
            Check(description: "limits pages") { try await $0.limitsPages() },
            Check(description: "lists jobs newest first, in stable pages") { try await $0.listsJobsInStablePages() },
            Check(description: "reads the feed in commit order") { try await $0.readsTheFeedInCommitOrder() },
            Check(description: "rejects calls after it is closed") { try await $0.rejectsCallsAfterClose() },
            Check(description: "retries failed and canceled jobs") { try await $0.retriesJobs() },
            Check(description: "returns the same retry for a repeated key") { try await $0.replaysARepeatedRetry() },
            Check(description: "limits the queued jobs of a tenant") { try await $0.limitsQueuedJobs() },
            Check(description: "deletes final jobs only") { try await $0.deletesFinalJobs() },
            Check(description: "pauses and resumes queues") { try await $0.pausesQueues() },
            Check(description: "delays due retries on a paused queue") {
                try await $0.delaysDueRetriesOnAPausedQueue()
            },
            Check(description: "serves tenants in turn") { try await $0.servesTenantsInTurn() },
            Check(description: "gives no credit to returning tenants") {
                try await $0.givesNoCreditToReturningTenants()
            },
            Check(description: "cancels a job in any state, during any other call") { try await $0.cancelsAtAnyTime() },
        ] + ofArtifacts + ofFiles

    func expect(_ isKept: Bool, _ rule: String) throws {
        guard isKept else { throw Violation(description: rule) }
    }

    func expect(_ error: JournalError, _ rule: String, _ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let thrown as JournalError where thrown == error {
            return
        }
        throw Violation(description: rule)
    }

    func claim(_ journal: any Journal, _ queue: QueueName = Samples.cpu) async throws -> Claim {
        guard let claim = try await journal.claim(queue: queue, limit: 1).claims.first else {
            throw Violation(description: "a stage that waits on \(queue) can be claimed")
        }
        return claim
    }

    func report(_ share: Double, _ message: String = "on the way") -> StageReport {
        StageReport(progress: Progress(share), message: message)
    }

    public func numbersEventsWithoutGaps() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        let submission = Samples.submission(1)
        _ = try await journal.submit(submission)
        for queue in [Samples.cpu, Samples.gpu] {
            clock.advance(by: .seconds(1))
            let claim = try await claim(journal, queue)
            _ = try await journal.report(report(0.5), for: claim)
            let seen = try await journal.job(submission.id, of: .anonymous)
            try expect(
                seen?.stages[claim.stageIndex].progress == Progress(0.5), "a job has the progress of the last report")
            clock.advance(by: .seconds(1))
            _ = try await journal.finish(claim, with: .succeeded(output: .string("done")))
        }
        let page = try await journal.events(of: submission.id, of: .anonymous, after: .beforeFirst, limit: 100)
        try expect(
            page?.events.map(\.type) == [
                .jobQueued, .jobStarted, .stageStarted, .stageProgress, .stageSucceeded, .stageStarted, .stageProgress,
                .stageSucceeded, .jobSucceeded,
            ], "the event log contains every event of the job")
        try expect(page?.events.map(\.sequence.rawValue) == Array(1...9), "events are numbered from 1 without a gap")
        try expect(page?.isFinal == true && page?.head.rawValue == 9, "the final event is the last")
        let job = try await journal.job(submission.id, of: .anonymous)
        try expect(
            job?.state == .succeeded && job?.progress == .complete && job?.output == .string("done"),
            "the job agrees with its event log")
        try expect(job?.stages.map(\.state) == [.succeeded, .succeeded], "stages that succeeded stay so")
        try expect(job?.finishedAt == page?.events.last?.at, "a job ends at the time of its final event")
        try expect(job?.lastEvent == page?.events.last?.id, "a job has the id of its last event")
        try await journal.close()
    }

    public func rejectsStaleClaims() async throws {
        let journal = try await make(ManualClock())
        let id = Samples.submission(1).id
        _ = try await journal.submit(Samples.submission(1))
        let first = try await claim(journal)
        _ = try await journal.finish(first, with: .interrupted(.shutdown))
        try expect(
            try await journal.report(report(0.5), for: first) == .lost, "a report of an ended claim is rejected")
        let second = try await claim(journal)
        try expect(second.id.fence > first.id.fence, "each claim of a stage has a larger fence")
        let head = try await journal.job(id, of: .anonymous)?.lastEvent
        try await expect(.notOwner, "a stale claim cannot end its stage") {
            _ = try await journal.finish(first, with: .succeeded(output: nil))
        }
        try expect(try await journal.job(id, of: .anonymous)?.lastEvent == head, "a rejected command writes nothing")
        _ = try await journal.report(report(0.5), for: second)
        try await journal.close()
    }

    public func notifiesObserversBeforeCallers() async throws {
        let journal = try await make(ManualClock())
        let seen = SeenEvents()
        journal.observeEvents { events in seen.list.withLock { $0 += events } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...100 {
                group.addTask {
                    let submission = Samples.submission(number)
                    _ = try await journal.submit(submission)
                    let isNotified = seen.list.withLock { $0.contains { $0.job == submission.id } }
                    guard isNotified else {
                        throw Violation(description: "observers get a commit before its callers resume")
                    }
                }
            }
            try await group.waitForAll()
        }
        let positions = seen.list.withLock { $0.map(\.position) }
        try expect(
            positions.count == 100 && positions == positions.sorted(), "observers get each commit once, in order")
        try await journal.close()
    }

    public func returnsTheJobOfAKnownKey() async throws {
        let journal = try await make(ManualClock())
        _ = try await journal.submit(Samples.submission(1, key: "k"))
        guard case .replayed(let job) = try await journal.submit(Samples.submission(2, key: "k")) else {
            throw Violation(description: "the same key and content return the existing job")
        }
        try expect(job.id == Samples.submission(1).id, "a replay returns the first job")
        let other = try await journal.submit(Samples.submission(2, key: "k", prompt: "a plane"))
        try expect(other == .conflict, "the same key with other content is a conflict")
        _ = try await journal.submit(Samples.submission(3, key: "composed", prompt: "caf\u{e9}"))
        let decomposed = try await journal.submit(Samples.submission(4, key: "composed", prompt: "cafe\u{301}"))
        try expect(decomposed == .conflict, "equivalent Unicode text in other bytes is other content")
        let foreign = try await journal.submit(Samples.submission(2, tenant: "other", key: "k"))
        try expect(foreign.job?.id == Samples.submission(2).id, "each tenant has its own keys")
        try await journal.close()
    }

    public func cancelsDespiteALaterSuccess() async throws {
        let journal = try await make(ManualClock())
        let (running, waiting) = (Samples.submission(1), Samples.submission(2))
        _ = try await journal.submit(running)
        _ = try await journal.submit(waiting)
        let claim = try await claim(journal)
        let foreign = try await journal.cancel(running.id, of: TenantName(unchecked: "other"))
        try expect(foreign == nil, "a tenant cannot cancel the job of another tenant")
        try expect(
            try await journal.cancel(waiting.id, of: .anonymous)?.state == .canceled,
            "a waiting job is canceled at once")
        for _ in 0..<2 {
            let marked = try await journal.cancel(running.id, of: .anonymous)
            try expect(marked?.state == .running && marked?.cancelRequested == true, "a running job gets a cancel mark")
        }
        try expect(
            try await journal.report(report(0.5), for: claim) == .canceling,
            "a report after the cancel mark returns .canceling")
        let state = try await journal.finish(claim, with: .succeeded(output: nil))
        try expect(state == .canceled, "a committed cancel mark wins over a later success")
        let page = try await journal.events(of: running.id, of: .anonymous, after: .beforeFirst, limit: 100)
        try expect(
            page?.events.map(\.type) == [.jobQueued, .jobStarted, .stageStarted, .jobCancelRequested, .jobCanceled],
            "two cancels write one cancel mark")
        try expect(
            try await journal.claim(queue: Samples.cpu, limit: 5).claims.isEmpty, "a canceled job cannot be claimed")
        try await journal.close()
    }

    public func delaysARetryUntilItIsDue() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        let seen = SeenEvents()
        journal.observeWork { notice in seen.delayed.withLock { $0.merge(notice.delayedQueues) { $1 } } }
        _ = try await journal.submit(Samples.submission(1))
        let first = try await claim(journal)
        _ = try await journal.report(report(0.5), for: first)
        let error = JobError(code: "stage_failed", message: "no luck", stage: first.stage.name)
        _ = try await journal.finish(first, with: .retry(error: error, delay: .seconds(2)))
        let due = clock.now().advanced(by: .seconds(2))
        try expect(seen.delayed.withLock { $0[Samples.cpu] } == due, "a commit announces when a delayed stage is due")
        let early = try await journal.claim(queue: Samples.cpu, limit: 5)
        try expect(early == ClaimResult(claims: [], nextDue: due), "a delayed stage cannot be claimed early")
        let job = try await journal.job(first.job, of: .anonymous)
        try expect(
            job?.queuePosition == nil && job?.stages[0].state == .queued, "a delayed stage has no queue position")
        clock.advance(by: .seconds(2))
        let second = try await claim(journal)
        try expect(second.attempt == 2 && second.checkpoint == .none, "a new attempt begins without a checkpoint")
        try await journal.close()
    }

    public func retriesWhenTheClockIsSetBack() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        _ = try await journal.submit(Samples.submission(1))
        let first = try await claim(journal)
        let error = JobError(code: "stage_failed", message: "no luck", stage: first.stage.name)
        _ = try await journal.finish(first, with: .retry(error: error, delay: .seconds(2)))
        clock.advance(by: .seconds(-3600))
        let second = try await claim(journal)
        try expect(second.attempt == 2, "a retry that is due later than the longest possible wait is due now")
        try await journal.close()
    }

    public func resumesAnInterruptedStage() async throws {
        let journal = try await make(ManualClock())
        _ = try await journal.submit(Samples.submission(1))
        let first = try await claim(journal)
        _ = try await journal.report(report(0.4), for: first)
        _ = try await journal.finish(first, with: .interrupted(.shutdown))
        let second = try await claim(journal)
        try expect(
            second.attempt == 1 && second.checkpoint.progress == Progress(0.4),
            "an interruption uses up no attempt and keeps the checkpoint")
        let page = try await journal.events(of: first.job, of: .anonymous, after: EventSequence(rawValue: 4), limit: 10)
        try expect(
            page?.events.map(\.type) == [.jobInterrupted, .jobResumed], "the event log contains the interruption")
        let job = try await journal.job(first.job, of: .anonymous)
        try expect(job?.stages[0].progress == Progress(0.4), "a resumed stage has the progress of its checkpoint")
        try await journal.close()
    }

    public func storesACheckpointAlone() async throws {
        let journal = try await make(ManualClock())
        _ = try await journal.submit(Samples.submission(1))
        let first = try await claim(journal)
        _ = try await journal.report(report(0.4), for: first)
        let answer = try await journal.report(StageReport(checkpointOnly: .integer(7)), for: first)
        try expect(answer == .goOn, "the claim is valid")
        _ = try await journal.finish(first, with: .interrupted(.disk))
        let second = try await claim(journal)
        try expect(
            second.attempt == 1 && second.checkpoint == Checkpoint(progress: Progress(0.4), data: .integer(7)),
            "the checkpoint is stored, and the progress stays")
        let page = try await journal.events(of: first.job, of: .anonymous, after: EventSequence(rawValue: 4), limit: 10)
        try expect(page?.events.map(\.type) == [.jobInterrupted, .jobResumed], "there is no further event")
        try await journal.close()
    }

    public func claimsFairlyBetweenTenants() async throws {
        let journal = try await make(ManualClock())
        for number in 1...300 { _ = try await journal.submit(Samples.submission(number, tenant: "big")) }
        for _ in 1...10 { _ = try await claim(journal) }
        let urgent = Samples.submission(900, tenant: "big", priority: 9)
        _ = try await journal.submit(Samples.submission(901, tenant: "small"))
        _ = try await journal.submit(urgent)
        let position = try await journal.job(urgent.id, of: urgent.tenant)?.queuePosition
        try expect(position == 0, "no other job of the tenant comes before an urgent job")
        let next = try await journal.claim(queue: Samples.cpu, limit: 3).claims.map(\.job)
        try expect(
            next.prefix(2).contains(Samples.submission(901).id),
            "many jobs of one tenant delay another tenant by one claim")
        try expect(
            next.firstIndex(of: urgent.id).map { $0 < 2 } == true, "the higher priority goes first within a tenant")
        try expect(next.last == Samples.submission(11).id, "at equal priority the oldest job goes first")
        try await journal.close()
    }

    public func limitsPages() async throws {
        let journal = try await make(ManualClock())
        _ = try await journal.submit(Samples.submission(1))
        let claim = try await claim(journal)
        for _ in 1...200 { _ = try await journal.report(report(0.1, String(repeating: "x", count: 512)), for: claim) }
        let (id, tenant) = (claim.job, TenantName.anonymous)
        var (cursor, pages, count) = (EventSequence.beforeFirst, 0, 0)
        while let page = try await journal.events(of: id, of: tenant, after: cursor, limit: 1_000),
            let last = page.events.last
        {
            let bytes = page.events.reduce(0) { $0 + $1.json.utf8.count }
            try expect(bytes <= Limits.bytesPerPage, "a page has a limit in bytes")
            try expect(page.events.first?.sequence == cursor.next, "a page begins right after the cursor")
            (cursor, pages, count) = (last.sequence, pages + 1, count + page.events.count)
        }
        try expect(count == 203 && pages > 1, "the pages together are the event log")
        try expect(
            try await journal.events(of: id, of: tenant, after: .beforeFirst, limit: 7)?.events.count == 7,
            "a page has at most the requested number of events")
        try expect(
            try await journal.events(of: id, of: TenantName(unchecked: "other"), after: .beforeFirst, limit: 7) == nil,
            "another tenant cannot read the job")
        try await journal.close()
    }

    public func listsJobsInStablePages() async throws {
        let journal = try await make(ManualClock())
        for number in 1...5 { _ = try await journal.submit(Samples.submission(number)) }
        let first = try await journal.jobs(JobQuery(limit: 2))
        _ = try await journal.submit(Samples.submission(6))
        let second = try await journal.jobs(JobQuery(limit: 3, after: first.next))
        let ids = (first.jobs + second.jobs).map(\.id)
        try expect(
            ids == [5, 4, 3, 2, 1].map { Samples.submission($0).id }, "pages are stable while jobs are added")
        try expect(second.next == nil, "the last page has no next page")
        _ = try await journal.cancel(Samples.submission(3).id, of: .anonymous)
        let canceled = try await journal.jobs(JobQuery(state: .canceled))
        try expect(canceled.jobs.map(\.id) == [Samples.submission(3).id], "a list can select one state")
        try await journal.close()
    }

    public func rejectsCallsAfterClose() async throws {
        let journal = try await make(ManualClock())
        try await journal.checkWritable()
        try await journal.close()
        try await expect(.closed, "a closed journal rejects submissions") {
            _ = try await journal.submit(Samples.submission(1))
        }
        try await expect(.closed, "a closed journal rejects reads") {
            _ = try await journal.job(Samples.submission(1).id, of: .anonymous)
        }
    }
}

/// The notices that an observer got.
final class SeenEvents: Sendable {
    let list = Mutex<[CommittedEvent]>([])
    let delayed = Mutex<[QueueName: Timestamp]>([:])
}
