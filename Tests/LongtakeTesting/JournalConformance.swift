public import LongtakeCore
import Synchronization

/// What every journal must do, checked on each implementation. Each check makes a journal of its own, and throws where it is not kept.
public struct JournalConformance: Sendable {
    /// Opens a journal of which so many jobs of one tenant may be queued.
    let open: @Sendable (any WallClock, _ queuedJobsPerTenant: Int) async throws -> any Journal

    public init(_ open: @escaping @Sendable (any WallClock, Int) async throws -> any Journal) { self.open = open }

    func make(_ clock: any WallClock) async throws -> any Journal {
        try await open(clock, Limits.queuedJobsPerTenantDefault)
    }

    /// A sentence of the contract that was not kept.
    public struct Broken: Error, CustomStringConvertible {
        public let description: String
    }

    /// One thing that is checked, by its name.
    public struct Check: Sendable, CustomStringConvertible {
        public let description: String
        public let run: @Sendable (JournalConformance) async throws -> Void
    }

    public static let all = [
        Check(description: "numbersTheLogWithoutGap") { try await $0.numbersTheLogWithoutGap() },
        Check(description: "fencesStaleClaims") { try await $0.fencesStaleClaims() },
        Check(description: "tellsObserversBeforeCallers") { try await $0.tellsObserversBeforeCallers() },
        Check(description: "findsTheJobOfAKey") { try await $0.findsTheJobOfAKey() },
        Check(description: "letsACancelMarkWin") { try await $0.letsACancelMarkWin() },
        Check(description: "holdsARetryBackUntilItIsDue") { try await $0.holdsARetryBackUntilItIsDue() },
        Check(description: "holdsNoRetryBackWhenTheClockIsSetBack") {
            try await $0.holdsNoRetryBackWhenTheClockIsSetBack()
        },
        Check(description: "resumesAnInterruptedStage") { try await $0.resumesAnInterruptedStage() },
        Check(description: "claimsFairlyBetweenTenants") { try await $0.claimsFairlyBetweenTenants() },
        Check(description: "boundsPages") { try await $0.boundsPages() },
        Check(description: "listsNewestFirstAndStable") { try await $0.listsNewestFirstAndStable() },
        Check(description: "feedsAllJobsInCommitOrder") { try await $0.feedsAllJobsInCommitOrder() },
        Check(description: "refusesAfterClose") { try await $0.refusesAfterClose() },
        Check(description: "doesAJobAgain") { try await $0.doesAJobAgain() },
        Check(description: "answersARepeatedRetry") { try await $0.answersARepeatedRetry() },
        Check(description: "boundsQueuedJobs") { try await $0.boundsQueuedJobs() },
        Check(description: "deletesWhatIsOver") { try await $0.deletesWhatIsOver() },
        Check(description: "pausesQueues") { try await $0.pausesQueues() },
        Check(description: "holdsDueRetriesBackInAPause") { try await $0.holdsDueRetriesBackInAPause() },
        Check(description: "servesTenantsInTurn") { try await $0.servesTenantsInTurn() },
        Check(description: "givesNoCreditForAnAbsence") { try await $0.givesNoCreditForAnAbsence() },
        Check(description: "cancelsAtAnyTime") { try await $0.cancelsAtAnyTime() },
    ]

    func expect(_ kept: Bool, _ sentence: String) throws {
        guard kept else { throw Broken(description: sentence) }
    }

    func expect(_ error: JournalError, _ sentence: String, _ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let thrown as JournalError where thrown == error {
            return
        }
        throw Broken(description: sentence)
    }

    func claim(_ journal: any Journal, _ queue: QueueName = Samples.cpu) async throws -> Claim {
        guard let claim = try await journal.claim(queue: queue, limit: 1).claims.first else {
            throw Broken(description: "a stage that waits on \(queue) can be claimed")
        }
        return claim
    }

    func report(_ share: Double, _ message: String = "on the way") -> StageReport {
        StageReport(progress: Progress(share), message: message)
    }

    public func numbersTheLogWithoutGap() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        let submission = Samples.submission(1)
        _ = try await journal.submit(submission)
        for queue in [Samples.cpu, Samples.gpu] {
            clock.advance(by: .seconds(1))
            let claim = try await claim(journal, queue)
            _ = try await journal.report(report(0.5), for: claim)
            let seen = try await journal.job(submission.id, of: .anonymous)
            try expect(seen?.stages[claim.stageIndex].progress == Progress(0.5), "a job shows what was reported last")
            clock.advance(by: .seconds(1))
            _ = try await journal.finish(claim, with: .succeeded(output: .string("done")))
        }
        let page = try await journal.events(of: submission.id, of: .anonymous, after: .beforeFirst, limit: 100)
        try expect(
            page?.events.map(\.type) == [
                .jobQueued, .jobStarted, .stageStarted, .stageProgress, .stageSucceeded, .stageStarted, .stageProgress,
                .stageSucceeded, .jobSucceeded,
            ], "the log tells the whole life")
        try expect(page?.events.map(\.sequence.rawValue) == Array(1...9), "events are numbered from 1 without a gap")
        try expect(page?.isFinal == true && page?.head.rawValue == 9, "the final event is the last")
        let job = try await journal.job(submission.id, of: .anonymous)
        try expect(
            job?.state == .succeeded && job?.progress == .complete && job?.output == .string("done"),
            "the job is the log's fold")
        try expect(job?.stages.map(\.state) == [.succeeded, .succeeded], "stages that ended well stay so")
        try expect(job?.finishedAt == page?.events.last?.at, "a job's times are those of its events")
        try expect(job?.lastEvent == page?.events.last?.id, "a job names the head of its log")
        try await journal.close()
    }

    public func fencesStaleClaims() async throws {
        let journal = try await make(ManualClock())
        let id = Samples.submission(1).id
        _ = try await journal.submit(Samples.submission(1))
        let first = try await claim(journal)
        _ = try await journal.finish(first, with: .interrupted(.shutdown))
        try expect(
            try await journal.report(report(0.5), for: first) == .lost, "a claim that was given back reports nothing")
        let second = try await claim(journal)
        try expect(second.id.fence > first.id.fence, "each claim of a stage has a larger fence")
        let head = try await journal.job(id, of: .anonymous)?.lastEvent
        try await expect(.notOwner, "a stale owner ends nothing") {
            _ = try await journal.finish(first, with: .succeeded(output: nil))
        }
        try expect(try await journal.job(id, of: .anonymous)?.lastEvent == head, "a refusal writes nothing")
        _ = try await journal.report(report(0.5), for: second)
        try await journal.close()
    }

    public func tellsObserversBeforeCallers() async throws {
        let journal = try await make(ManualClock())
        let seen = SeenEvents()
        journal.observeEvents { events in seen.list.withLock { $0 += events } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...100 {
                group.addTask {
                    let submission = Samples.submission(number)
                    _ = try await journal.submit(submission)
                    let isSeen = seen.list.withLock { $0.contains { $0.job == submission.id } }
                    guard isSeen else { throw Broken(description: "observers see a commit before its callers go on") }
                }
            }
            try await group.waitForAll()
        }
        let positions = seen.list.withLock { $0.map(\.position) }
        try expect(
            positions.count == 100 && positions == positions.sorted(), "observers see each commit once, in order")
        try await journal.close()
    }

    public func findsTheJobOfAKey() async throws {
        let journal = try await make(ManualClock())
        _ = try await journal.submit(Samples.submission(1, key: "k"))
        guard case .replayed(let job) = try await journal.submit(Samples.submission(2, key: "k")) else {
            throw Broken(description: "the same key and content find the job that was made before")
        }
        try expect(job.id == Samples.submission(1).id, "a replay gives the first job")
        let other = try await journal.submit(Samples.submission(2, key: "k", prompt: "a plane"))
        try expect(other == .conflict, "the same key with other content is a conflict")
        _ = try await journal.submit(Samples.submission(3, key: "composed", prompt: "caf\u{e9}"))
        let decomposed = try await journal.submit(Samples.submission(4, key: "composed", prompt: "cafe\u{301}"))
        try expect(decomposed == .conflict, "the same text to Unicode in other bytes is other content")
        let stranger = try await journal.submit(Samples.submission(2, tenant: "other", key: "k"))
        try expect(stranger.job?.id == Samples.submission(2).id, "keys are each tenant's own")
        try await journal.close()
    }

    public func letsACancelMarkWin() async throws {
        let journal = try await make(ManualClock())
        let (running, waiting) = (Samples.submission(1), Samples.submission(2))
        _ = try await journal.submit(running)
        _ = try await journal.submit(waiting)
        let claim = try await claim(journal)
        let stranger = try await journal.cancel(running.id, of: TenantName(unchecked: "other"))
        try expect(stranger == nil, "nobody cancels another tenant's job")
        try expect(
            try await journal.cancel(waiting.id, of: .anonymous)?.state == .canceled,
            "a waiting job is canceled at once")
        for _ in 0..<2 {
            let marked = try await journal.cancel(running.id, of: .anonymous)
            try expect(marked?.state == .running && marked?.cancelRequested == true, "a running job is asked to end")
        }
        try expect(
            try await journal.report(report(0.5), for: claim) == .canceling, "a report after the mark is answered so")
        let state = try await journal.finish(claim, with: .succeeded(output: nil))
        try expect(state == .canceled, "a committed cancel mark wins over a success that comes after it")
        let page = try await journal.events(of: running.id, of: .anonymous, after: .beforeFirst, limit: 100)
        try expect(
            page?.events.map(\.type) == [.jobQueued, .jobStarted, .stageStarted, .jobCancelRequested, .jobCanceled],
            "canceling twice leaves one mark")
        try expect(
            try await journal.claim(queue: Samples.cpu, limit: 5).claims.isEmpty, "a canceled job is not claimed")
        try await journal.close()
    }

    public func holdsARetryBackUntilItIsDue() async throws {
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
        try expect(seen.delayed.withLock { $0[Samples.cpu] } == due, "a commit tells when a delayed stage is due")
        let early = try await journal.claim(queue: Samples.cpu, limit: 5)
        try expect(early == ClaimResult(claims: [], nextDue: due), "a delayed stage is not claimed early")
        let job = try await journal.job(first.job, of: .anonymous)
        try expect(job?.queuePosition == nil && job?.stages[0].state == .queued, "a delayed stage has no position")
        clock.advance(by: .seconds(2))
        let second = try await claim(journal)
        try expect(second.attempt == 2 && second.checkpoint == .none, "a new attempt begins anew")
        try await journal.close()
    }

    public func holdsNoRetryBackWhenTheClockIsSetBack() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        _ = try await journal.submit(Samples.submission(1))
        let first = try await claim(journal)
        let error = JobError(code: "stage_failed", message: "no luck", stage: first.stage.name)
        _ = try await journal.finish(first, with: .retry(error: error, delay: .seconds(2)))
        clock.advance(by: .seconds(-3600))
        let second = try await claim(journal)
        try expect(second.attempt == 2, "a stage that is due further away than any wait is long is due")
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
            "an interruption burns no attempt and no work")
        let page = try await journal.events(of: first.job, of: .anonymous, after: EventSequence(rawValue: 4), limit: 10)
        try expect(page?.events.map(\.type) == [.jobInterrupted, .jobResumed], "the log tells of the interruption")
        let job = try await journal.job(first.job, of: .anonymous)
        try expect(job?.stages[0].progress == Progress(0.4), "a resumed stage shows where it goes on")
        try await journal.close()
    }

    public func claimsFairlyBetweenTenants() async throws {
        let journal = try await make(ManualClock())
        for number in 1...300 { _ = try await journal.submit(Samples.submission(number, tenant: "big")) }
        for _ in 1...10 { _ = try await claim(journal) }
        let urgent = Samples.submission(900, tenant: "big", priority: 9)
        _ = try await journal.submit(Samples.submission(901, tenant: "small"))
        _ = try await journal.submit(urgent)
        let place = try await journal.job(urgent.id, of: urgent.tenant)?.queuePosition
        try expect(place == 0, "nothing of its own tenant comes before an urgent job")
        let next = try await journal.claim(queue: Samples.cpu, limit: 3).claims.map(\.job)
        try expect(
            next.prefix(2).contains(Samples.submission(901).id), "many jobs of one tenant delay another by one claim")
        try expect(
            next.firstIndex(of: urgent.id).map { $0 < 2 } == true, "the higher priority goes first within a tenant")
        try expect(next.last == Samples.submission(11).id, "the oldest goes first where the priority is equal")
        try await journal.close()
    }

    public func boundsPages() async throws {
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
            try expect(bytes <= Limits.bytesPerPage, "a page has a bound in bytes")
            try expect(page.events.first?.sequence == cursor.next, "a page begins right after the cursor")
            (cursor, pages, count) = (last.sequence, pages + 1, count + page.events.count)
        }
        try expect(count == 203 && pages > 1, "the pages together are the log")
        try expect(
            try await journal.events(of: id, of: tenant, after: .beforeFirst, limit: 7)?.events.count == 7,
            "a page has no more events than asked for")
        try expect(
            try await journal.events(of: id, of: TenantName(unchecked: "other"), after: .beforeFirst, limit: 7) == nil,
            "another tenant has no such job")
        try await journal.close()
    }

    public func listsNewestFirstAndStable() async throws {
        let journal = try await make(ManualClock())
        for number in 1...5 { _ = try await journal.submit(Samples.submission(number)) }
        let first = try await journal.jobs(JobQuery(limit: 2))
        _ = try await journal.submit(Samples.submission(6))
        let second = try await journal.jobs(JobQuery(limit: 3, after: first.next))
        let ids = (first.jobs + second.jobs).map(\.id)
        try expect(
            ids == [5, 4, 3, 2, 1].map { Samples.submission($0).id }, "pages stay where they are while jobs are added")
        try expect(second.next == nil, "the last page says so")
        _ = try await journal.cancel(Samples.submission(3).id, of: .anonymous)
        let canceled = try await journal.jobs(JobQuery(state: .canceled))
        try expect(canceled.jobs.map(\.id) == [Samples.submission(3).id], "a list can be of one state")
        try await journal.close()
    }

    public func refusesAfterClose() async throws {
        let journal = try await make(ManualClock())
        try await journal.checkWritable()
        try await journal.close()
        try await expect(.closed, "a closed journal takes no job") {
            _ = try await journal.submit(Samples.submission(1))
        }
        try await expect(.closed, "a closed journal reads no job") {
            _ = try await journal.job(Samples.submission(1).id, of: .anonymous)
        }
    }
}

/// What an observer was told.
final class SeenEvents: Sendable {
    let list = Mutex<[CommittedEvent]>([])
    let delayed = Mutex<[QueueName: Timestamp]>([:])
}
