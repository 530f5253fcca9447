public import LongtakeCore

/// What a store must keep when two processes use it at once, each through a handle with a holder of its
/// own. Each check gets two handles on one empty store, and throws if a rule is broken.
public struct TwoHandleConformance<Store: JobStore & WorkStore & EventLog & Sendable>: Sendable {
    let first: Store
    let second: Store

    public init(_ first: Store, _ second: Store) {
        self.first = first
        self.second = second
    }

    /// One rule, by its name.
    public struct Check: Sendable, CustomStringConvertible {
        public let description: String
        public let run: @Sendable (TwoHandleConformance) async throws -> Void
    }

    public static var all: [Check] {
        [
            Check(description: "what one handle writes, the other reads and works on") { try await $0.sharesJobs() },
            Check(description: "a key makes one job, however many submit it at both handles") {
                try await $0.makesOneJobOfAKey()
            },
            Check(description: "no stage is handed out twice") { try await $0.handsOutOnce() },
            Check(description: "a cancel at one handle reaches the holder at the other") { try await $0.cancels() },
            Check(description: "a cancel and an end at the same time leave one final event") {
                try await $0.endsOnce()
            },
            Check(description: "a holder that was declared gone writes nothing more") { try await $0.takesOver() },
            Check(description: "a process that was declared gone submits and cancels nothing") {
                try await $0.refusesWhoIsGone()
            },
            Check(description: "a take-over during reports loses none that was answered, and lets none in after it") {
                try await $0.takesOverDuringReports()
            },
            Check(description: "a reader of the feed never finds an event at or before a head that it has seen") {
                try await $0.ordersTheFeed()
            },
        ]
    }

    private func expect(_ isKept: Bool, _ sentence: String) throws {
        guard isKept else { throw JournalConformance.Broken(description: sentence) }
    }

    private func claim(_ store: Store) async throws -> Claim {
        guard let claim = try await store.claim(queue: Samples.cpu, limit: 1).claims.first else {
            throw JournalConformance.Broken(description: "a stage that waits is handed out")
        }
        return claim
    }

    private func report(_ share: Double) -> StageReport { StageReport(progress: Progress(share), message: "half") }

    /// The whole log of a job, which must be numbered without a gap and have at most one final event.
    private func log(of job: JobID, at store: Store) async throws -> [CommittedEvent] {
        let page = try await store.events(of: job, of: .anonymous, after: .beforeFirst, limit: 1_000)
        let events = page?.events ?? []
        try expect(events.map(\.sequence.rawValue) == Array(1...Int64(max(1, events.count))), "a log has no gap")
        try expect(events.dropLast().allSatisfy { !$0.type.isFinal }, "nothing follows a final event")
        return events
    }

    // MARK: Checks

    private func sharesJobs() async throws {
        let submission = Samples.submission(1)
        _ = try await first.submit(submission)
        try expect(try await second.job(submission.id, of: .anonymous)?.state == .queued, "the other handle reads it")
        let claim = try await claim(second)
        try expect(claim.holder == second.holder && claim.holder != first.holder, "a claim names its holder")
        try expect(try await second.report(report(0.5), for: claim) == .goOn, "its holder reports on it")
        try expect(
            try await first.job(submission.id, of: .anonymous)?.stages[0].progress == Progress(0.5),
            "the first handle reads the report")
        let types = try await log(of: submission.id, at: first).map(\.type)
        try expect(types == [.jobQueued, .jobStarted, .stageStarted, .stageProgress], "both write one log")
    }

    private func makesOneJobOfAKey() async throws {
        let made = try await withThrowingTaskGroup(of: JobID?.self) { group in
            for number in 1...50 {
                let store = number.isMultiple(of: 2) ? first : second
                group.addTask { try await store.submit(Samples.submission(number, key: "k")).job?.id }
            }
            return try await group.reduce(into: Set<JobID?>()) { $0.insert($1) }
        }
        try expect(made.count == 1 && !made.contains(nil), "all are answered with the same job")
        try expect(try await first.jobs(JobQuery()).jobs.count == 1, "there is one job")
    }

    private func handsOutOnce() async throws {
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
        try expect(claims.count == 40 && Set(claims.map(\.job)).count == 40, "each stage is handed out once")
    }

    private func cancels() async throws {
        let submission = Samples.submission(1)
        _ = try await first.submit(submission)
        let claim = try await claim(second)
        let marked = try await first.cancel(submission.id, of: .anonymous)
        try expect(marked?.state == .running && marked?.cancelRequested == true, "the job is asked to end")
        try expect(try await second.report(report(0.5), for: claim) == .canceling, "its holder is told")
        let state = try await second.finish(claim, with: .succeeded(output: nil))
        try expect(state == .canceled, "the mark wins over an end that comes after it")
        let last = try await log(of: submission.id, at: first).last
        try expect(last?.type == .jobCanceled, "the log says so")
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
            try expect(events.filter { $0.type.isFinal }.count == 1, "one final event")
            try expect(
                events.last?.type == (state == .canceled ? .jobCanceled : .jobFailed),
                "the holder was answered what the log says")
        }
    }

    private func takesOver() async throws {
        let submission = Samples.submission(1)
        _ = try await first.submit(submission)
        let lost = try await claim(second)
        _ = try await second.report(report(0.5), for: lost)
        try expect(try await first.beat(second.holder) == .held, "a holder has its lease until it is declared gone")
        try expect(try await first.declareGone(second.holder) == 1, "its stage is put back")
        try expect(try await first.declareGone(second.holder) == 0, "declaring it gone again does nothing")
        try expect(try await second.beat(second.holder) == .gone, "it is told so")
        try expect(try await second.report(report(0.6), for: lost) == .lost, "it reports nothing")
        do {
            _ = try await second.finish(lost, with: .succeeded(output: nil))
            try expect(false, "it ends nothing")
        } catch JournalError.notOwner {}
        let next = try await claim(first)
        try expect(next.job == lost.job && next.id.fence > lost.id.fence, "the next claim has a larger fence")
        try expect(
            next.attempt == 1 && next.checkpoint.progress == Progress(0.5), "it goes on, and burns no attempt")
        let last = try await log(of: submission.id, at: second).last
        try expect(last?.type == .jobResumed, "the log tells that the stage was resumed")
    }

    private func refusesWhoIsGone() async throws {
        _ = try await first.submit(Samples.submission(1))
        _ = try await first.declareGone(second.holder)
        do {
            _ = try await second.submit(Samples.submission(2))
            try expect(false, "it submits nothing")
        } catch JournalError.gone {}
        do {
            _ = try await second.cancel(Samples.submission(1).id, of: .anonymous)
            try expect(false, "it cancels nothing")
        } catch JournalError.gone {}
        try expect(try await second.jobs(JobQuery()).jobs.map(\.state) == [.queued], "nothing has changed")
    }

    private func takesOverDuringReports() async throws {
        let submission = Samples.submission(1)
        _ = try await first.submit(submission)
        let lost = try await claim(second)
        async let answered = { [second] in
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
        let count = try await answered
        let events = try await log(of: submission.id, at: first)
        try expect(events.count == before, "nothing is written in its name any more")
        try expect(events.filter { $0.type == .stageProgress }.count == count, "what was answered is there, once")
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
                        throw JournalConformance.Broken(description: "an event appeared behind a reader")
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
