public import LongtakeCore

/// The rules that a store must keep when two processes use it at the same time. Each process has a
/// handle with its own holder. Each check gets two handles on one empty store, and throws if a rule
/// is violated.
public struct TwoHandleConformance<Store: JobStore & WorkStore & EventLog & Sendable>: Sendable {
    let first: Store
    let second: Store

    public init(_ first: Store, _ second: Store) {
        self.first = first
        self.second = second
    }

    /// A check, and the rule that the test shows as its name.
    public struct Check: Sendable, CustomStringConvertible {
        public let description: String
        public let run: @Sendable (TwoHandleConformance) async throws -> Void
    }

    public static var all: [Check] {
        [
            Check(description: "one handle can read and run the jobs of the other handle") {
                try await $0.sharesJobs()
            },
            Check(description: "many submissions of one key at both handles create one job") {
                try await $0.createsOneJobPerKey()
            },
            Check(description: "no stage is claimed twice") { try await $0.claimsOnce() },
            Check(description: "a cancel at one handle reaches the holder at the other handle") {
                try await $0.cancels()
            },
            Check(description: "a cancel and a failure at the same time write one final event") {
                try await $0.endsOnce()
            },
            Check(description: "a holder that was declared gone writes nothing more") { try await $0.takesOver() },
            Check(description: "a process that was declared gone submits and cancels nothing") {
                try await $0.rejectsGoneProcesses()
            },
            Check(description: "a take-over keeps all acknowledged reports, and rejects all later ones") {
                try await $0.takesOverDuringReports()
            },
            Check(description: "no event appears at or before a position that a feed reader has reached") {
                try await $0.ordersTheFeed()
            },
        ]
    }

    private func expect(_ isKept: Bool, _ rule: String) throws {
        guard isKept else { throw JournalConformance.Violation(description: rule) }
    }

    private func claim(_ store: Store) async throws -> Claim {
        guard let claim = try await store.claim(queue: Samples.cpu, limit: 1).claims.first else {
            throw JournalConformance.Violation(description: "a waiting stage can be claimed")
        }
        return claim
    }

    private func report(_ share: Double) -> StageReport { StageReport(progress: Progress(share), message: "half") }

    /// Reads the whole event log of a job. Its numbers must have no gap, and only its last event
    /// may be final.
    private func log(of job: JobID, at store: Store) async throws -> [CommittedEvent] {
        let page = try await store.events(of: job, of: .anonymous, after: .beforeFirst, limit: 1_000)
        let events = page?.events ?? []
        try expect(events.map(\.sequence.rawValue) == Array(1...Int64(max(1, events.count))), "an event log has no gap")
        try expect(events.dropLast().allSatisfy { !$0.type.isFinal }, "nothing follows a final event")
        return events
    }

    // MARK: Checks

    private func sharesJobs() async throws {
        let submission = Samples.submission(1)
        _ = try await first.submit(submission)
        try expect(
            try await second.job(submission.id, of: .anonymous)?.state == .queued, "the other handle reads the job")
        let claim = try await claim(second)
        try expect(claim.holder == second.holder && claim.holder != first.holder, "a claim names its holder")
        try expect(try await second.report(report(0.5), for: claim) == .goOn, "the holder of the claim can report")
        try expect(
            try await first.job(submission.id, of: .anonymous)?.stages[0].progress == Progress(0.5),
            "the first handle reads the report")
        let types = try await log(of: submission.id, at: first).map(\.type)
        try expect(
            types == [.jobQueued, .jobStarted, .stageStarted, .stageProgress], "both handles write one event log")
    }

    private func createsOneJobPerKey() async throws {
        let created = try await withThrowingTaskGroup(of: JobID?.self) { group in
            for number in 1...50 {
                let store = number.isMultiple(of: 2) ? first : second
                group.addTask { try await store.submit(Samples.submission(number, key: "k")).job?.id }
            }
            return try await group.reduce(into: Set<JobID?>()) { $0.insert($1) }
        }
        try expect(created.count == 1 && !created.contains(nil), "all submissions return the same job")
        try expect(try await first.jobs(JobQuery()).jobs.count == 1, "one job exists")
    }

    private func claimsOnce() async throws {
        for number in 1...40 { _ = try await first.submit(Samples.submission(number)) }
        let claims = try await withThrowingTaskGroup(of: [Claim].self) { group in
            for worker in 1...8 {
                let store = worker.isMultiple(of: 2) ? first : second
                group.addTask {
                    var claims: [Claim] = []
                    while true {
                        let more = try await store.claim(queue: Samples.cpu, limit: 3).claims
                        if more.isEmpty { return claims }
                        claims += more
                    }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        try expect(claims.count == 40 && Set(claims.map(\.job)).count == 40, "each stage is claimed once")
    }

    private func cancels() async throws {
        let submission = Samples.submission(1)
        _ = try await first.submit(submission)
        let claim = try await claim(second)
        let marked = try await first.cancel(submission.id, of: .anonymous)
        try expect(marked?.state == .running && marked?.cancelRequested == true, "the job gets a cancel mark")
        try expect(
            try await second.report(report(0.5), for: claim) == .canceling, "the holder learns of the cancel mark")
        let state = try await second.finish(claim, with: .succeeded(output: nil))
        try expect(state == .canceled, "the cancel mark wins over a later success")
        let last = try await log(of: submission.id, at: first).last
        try expect(last?.type == .jobCanceled, "the event log ends with the cancel")
    }

    private func endsOnce() async throws {
        for number in 1...40 {
            let submission = Samples.submission(number)
            _ = try await first.submit(submission)
            let claim = try await claim(second)
            async let canceled = first.cancel(submission.id, of: .anonymous)
            async let ended = second.finish(
                claim, with: .failed(JobError(code: "stage_failed", message: "no", stage: claim.stage.name)))
            _ = try await canceled
            let state = try await ended
            let events = try await log(of: submission.id, at: first)
            try expect(events.filter { $0.type.isFinal }.count == 1, "an event log has one final event")
            try expect(
                events.last?.type == (state == .canceled ? .jobCanceled : .jobFailed),
                "the holder gets the state of the final event")
        }
    }

    private func takesOver() async throws {
        let submission = Samples.submission(1)
        _ = try await first.submit(submission)
        let lost = try await claim(second)
        _ = try await second.report(report(0.5), for: lost)
        try expect(try await first.beat(second.holder) == .held, "a holder has its lease until it is declared gone")
        try expect(try await first.declareGone(second.holder) == 1, "the stage of a gone holder returns to its queue")
        try expect(try await first.declareGone(second.holder) == 0, "declaring a holder gone again does nothing")
        try expect(try await second.beat(second.holder) == .gone, "a gone holder learns it from its heartbeat")
        try expect(try await second.report(report(0.6), for: lost) == .lost, "a gone holder cannot report")
        do {
            _ = try await second.finish(lost, with: .succeeded(output: nil))
            try expect(false, "a gone holder cannot end its stage")
        } catch JournalError.notOwner {}
        let next = try await claim(first)
        try expect(next.job == lost.job && next.id.fence > lost.id.fence, "the next claim has a larger fence")
        try expect(
            next.attempt == 1 && next.checkpoint.progress == Progress(0.5),
            "the stage continues at its checkpoint, in the same attempt")
        let last = try await log(of: submission.id, at: second).last
        try expect(last?.type == .jobResumed, "the event log contains the resume")
    }

    private func rejectsGoneProcesses() async throws {
        _ = try await first.submit(Samples.submission(1))
        _ = try await first.declareGone(second.holder)
        do {
            _ = try await second.submit(Samples.submission(2))
            try expect(false, "a gone process cannot submit")
        } catch JournalError.gone {}
        do {
            _ = try await second.cancel(Samples.submission(1).id, of: .anonymous)
            try expect(false, "a gone process cannot cancel")
        } catch JournalError.gone {}
        try expect(
            try await second.jobs(JobQuery()).jobs.map(\.state) == [.queued], "a rejected command changes nothing")
    }

    private func takesOverDuringReports() async throws {
        let submission = Samples.submission(1)
        _ = try await first.submit(submission)
        let lost = try await claim(second)
        async let acknowledged = { [second] in
            var count = 0
            for step in 1...200 {
                guard try await second.report(report(Double(step) / 400), for: lost) == .goOn else { break }
                count += 1
            }
            return count
        }()
        for _ in 1...20 { _ = try await first.job(submission.id, of: .anonymous) }
        _ = try await first.declareGone(second.holder)
        let before = try await log(of: submission.id, at: first).count
        let count = try await acknowledged
        let events = try await log(of: submission.id, at: first)
        try expect(events.count == before, "no event of a gone holder is written")
        try expect(
            events.filter { $0.type == .stageProgress }.count == count, "each acknowledged report exists once")
    }

    private func ordersTheFeed() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 1...4 {
                let store = worker.isMultiple(of: 2) ? first : second
                group.addTask {
                    for number in 1...25 { _ = try await store.submit(Samples.submission(worker * 100 + number)) }
                }
            }
            for store in [first, second] {
                group.addTask {
                    var (seen, cursor) = ([EventPosition](), EventPosition.beforeFirst)
                    try await until {
                        let page = try await store.events(FeedQuery(tenant: .anonymous, after: cursor))
                        seen += page.events.map(\.position)
                        cursor = page.reached
                        return seen.count >= 100
                    }
                    let whole = try await store.events(FeedQuery(tenant: .anonymous, after: .beforeFirst, limit: 256))
                    guard seen == whole.events.map(\.position) else {
                        throw JournalConformance.Violation(
                            description: "no event appears before the cursor of a reader")
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
