import LongtakeCore
import Synchronization

/// What ends a job, or removes it.
extension JournalConformance {
    public func deletesWhatIsOver() async throws {
        let journal = try await make(ManualClock())
        let (gone, kept, other) = (
            Samples.submission(1, key: "k"), Samples.submission(2), TenantName(unchecked: "other")
        )
        _ = try await journal.submit(gone)
        try await expect(.refused(.notFinal), "a job that is queued is not deleted") {
            try await journal.delete(gone.id, of: .anonymous)
        }
        let claim = try await claim(journal)
        try await expect(.refused(.notFinal), "a job that runs is not deleted") {
            try await journal.delete(gone.id, of: .anonymous)
        }
        let error = JobError(code: "stage_failed", message: "no", stage: claim.stage.name)
        _ = try await journal.finish(claim, with: .failed(error))
        _ = try await journal.submit(retry(3, of: gone))
        _ = try await journal.submit(kept)
        try await expect(.noSuchJob, "nobody deletes another tenant's job") {
            try await journal.delete(gone.id, of: other)
        }
        try await journal.delete(gone.id, of: .anonymous)
        try await expect(.noSuchJob, "a job is deleted once") { try await journal.delete(gone.id, of: .anonymous) }

        let found = (
            try await journal.job(gone.id, of: .anonymous),
            try await journal.events(of: gone.id, of: .anonymous, after: .beforeFirst, limit: 10),
            try await journal.cancel(gone.id, of: .anonymous)
        )
        try expect(found.0 == nil && found.1 == nil && found.2 == nil, "nobody finds a deleted job")
        let listed = try await journal.jobs(JobQuery()).jobs
        try expect(listed.map(\.id) == [kept.id, Samples.submission(3).id], "a deleted job is in no list")
        try expect(listed.last?.retryOf == gone.id, "a retry goes on saying whose it is")
        try await expect(.noSuchJob, "a deleted job is not done again") {
            _ = try await journal.submit(retry(4, of: gone))
        }
        let again = try await journal.submit(Samples.submission(5, key: "k")).job?.id
        try expect(again == Samples.submission(5).id, "a key lives as long as its job")

        let feed = try await journal.events(FeedQuery(tenant: .anonymous, after: .beforeFirst))
        try expect(!feed.events.contains { $0.job == gone.id }, "no event of a deleted job is in the feed")
        try expect(feed.prunedThrough.rawValue == 4, "a reader of the feed is told up to where it may miss something")
        let elsewhere = try await journal.events(FeedQuery(tenant: other, after: .beforeFirst))
        try expect(elsewhere.prunedThrough == .beforeFirst, "other tenants miss nothing")
        try await journal.close()
    }

    /// Everything that may be done to a job, at once, from each of its stands. Fails where a final job refuses a cancel.
    public func cancelsAtAnyTime() async throws {
        let journal = try await make(ManualClock())
        for number in 1...60 {
            let submission = Samples.submission(number)
            _ = try await journal.submit(submission)
            let held = number % 4 == 0 ? nil : try await claim(journal)
            let error = JobError(code: "stage_failed", message: "no", stage: Samples.pipeline.stages[0].name)
            let ends: [StageOutcome] = [
                .succeeded(output: nil), .retry(error: error, delay: .seconds(2)), .failed(error),
                .interrupted(.shutdown),
            ]
            if number % 4 == 1, let held { _ = try await journal.finish(held, with: ends[1]) }
            let race = CancelRace()
            await withTaskGroup(of: Void.self) { group in
                for _ in 1...3 {
                    group.addTask { await race.cancel { try await journal.cancel(submission.id, of: .anonymous) } }
                }
                group.addTask { await race.delete { try await journal.delete(submission.id, of: .anonymous) } }
                group.addTask { await race.claim { try await journal.claim(queue: Samples.cpu, limit: 1).claims } }
                if let held {
                    group.addTask { _ = try? await journal.finish(held, with: ends[number / 4 % 4]) }
                }
            }
            let seen = race.seen.withLock { $0 }
            try expect(seen.errors.isEmpty, "a cancel never fails: \(seen.errors)")
            try expect(
                seen.answers.allSatisfy { $0 != nil } || seen.isDeleted, "a cancel finds the job while it is there")
            // Whoever was asked to give it up does.
            for claim in seen.claims + (held.map { [$0] } ?? []) {
                _ = try? await journal.finish(claim, with: .interrupted(.shutdown))
            }
            let page = try await journal.events(of: submission.id, of: .anonymous, after: .beforeFirst, limit: 100)
            try expect((page == nil) == seen.isDeleted, "a job is there unless it was deleted")
            guard let page else { continue }
            let finals = page.events.filter(\.type.isFinal)
            try expect(
                page.isFinal && finals.count == 1 && finals.last == page.events.last,
                "a canceled job has one final event, and it is the last")
            let isMarked = seen.answers.contains { $0.map { $0.cancelRequested && !$0.state.isFinal } ?? false }
            try expect(!isMarked || finals.last?.type == .jobCanceled, "a cancel mark that was answered wins")
        }
        try await journal.close()
    }
}

/// What came of a race.
private final class CancelRace: Sendable {
    struct Seen {
        var answers: [Job?] = []
        var errors: [any Error] = []
        var claims: [Claim] = []
        var isDeleted = false
    }

    let seen = Mutex(Seen())

    func cancel(_ body: () async throws -> Job?) async {
        do {
            let job = try await body()
            seen.withLock { $0.answers.append(job) }
        } catch {
            seen.withLock { $0.errors.append(error) }
        }
    }

    func delete(_ body: () async throws -> Void) async {
        let isDeleted = (try? await body()) != nil
        seen.withLock { $0.isDeleted = isDeleted }
    }

    func claim(_ body: () async throws -> [Claim]) async {
        let claims = (try? await body()) ?? []
        seen.withLock { $0.claims += claims }
    }
}
