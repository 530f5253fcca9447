import LongtakeCore
import Synchronization

/// Checks of deletes and cancels.
extension JournalConformance {
    public func deletesFinalJobs() async throws {
        let journal = try await make(ManualClock())
        let (deleted, kept, other) = (
            Samples.submission(1, key: "k"), Samples.submission(2), TenantName(unchecked: "other")
        )
        _ = try await journal.submit(deleted)
        try await expect(.refused(.notFinal), "a queued job cannot be deleted") {
            try await journal.delete(deleted.id, of: .anonymous)
        }
        let claim = try await claim(journal)
        try await expect(.refused(.notFinal), "a running job cannot be deleted") {
            try await journal.delete(deleted.id, of: .anonymous)
        }
        let error = JobError(code: "stage_failed", message: "no", stage: claim.stage.name)
        _ = try await journal.finish(claim, with: .failed(error))
        _ = try await journal.submit(retry(3, of: deleted))
        _ = try await journal.submit(kept)
        try await expect(.noSuchJob, "a tenant cannot delete the job of another tenant") {
            try await journal.delete(deleted.id, of: other)
        }
        try await journal.delete(deleted.id, of: .anonymous)
        try await expect(.noSuchJob, "a job cannot be deleted twice") {
            try await journal.delete(deleted.id, of: .anonymous)
        }

        let found = (
            try await journal.job(deleted.id, of: .anonymous),
            try await journal.events(of: deleted.id, of: .anonymous, after: .beforeFirst, limit: 10),
            try await journal.cancel(deleted.id, of: .anonymous)
        )
        try expect(found.0 == nil && found.1 == nil && found.2 == nil, "no call finds a deleted job")
        let listed = try await journal.jobs(JobQuery()).jobs
        try expect(listed.map(\.id) == [kept.id, Samples.submission(3).id], "no list contains a deleted job")
        try expect(listed.last?.retryOf == deleted.id, "a retry still names the deleted job")
        try await expect(.noSuchJob, "a deleted job cannot be retried") {
            _ = try await journal.submit(retry(4, of: deleted))
        }
        let again = try await journal.submit(Samples.submission(5, key: "k")).job?.id
        try expect(again == Samples.submission(5).id, "the key of a deleted job can be used again")

        let feed = try await journal.events(FeedQuery(tenant: .anonymous, after: .beforeFirst))
        try expect(!feed.events.contains { $0.job == deleted.id }, "the feed contains no event of a deleted job")
        try expect(feed.prunedThrough.rawValue == 4, "the feed reports the last position with a deleted event")
        let elsewhere = try await journal.events(FeedQuery(tenant: other, after: .beforeFirst))
        try expect(elsewhere.prunedThrough == .beforeFirst, "the feed of another tenant reports no deleted event")
        try await journal.close()
    }

    /// Runs cancels, a delete, a claim and the end of a stage at the same time, for a job in each
    /// state. This check failed when a final job rejected a cancel.
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
            let results = race.results.withLock { $0 }
            try expect(results.errors.isEmpty, "a cancel never fails: \(results.errors)")
            try expect(
                results.answers.allSatisfy { $0 != nil } || results.isDeleted,
                "a cancel finds the job unless it was deleted")
            // The workers stop because of the cancel.
            for claim in results.claims + (held.map { [$0] } ?? []) {
                _ = try? await journal.finish(claim, with: .interrupted(.shutdown))
            }
            let page = try await journal.events(of: submission.id, of: .anonymous, after: .beforeFirst, limit: 100)
            try expect((page == nil) == results.isDeleted, "a job exists unless it was deleted")
            guard let page else { continue }
            let finals = page.events.filter(\.type.isFinal)
            try expect(
                page.isFinal && finals.count == 1 && finals.last == page.events.last,
                "a canceled job has one final event, and it is the last")
            let isMarked = results.answers.contains { $0.map { $0.cancelRequested && !$0.state.isFinal } ?? false }
            try expect(!isMarked || finals.last?.type == .jobCanceled, "a job whose cancel succeeded ends as canceled")
        }
        try await journal.close()
    }
}

/// Runs concurrent calls and collects their results.
private final class CancelRace: Sendable {
    struct Results {
        var answers: [Job?] = []
        var errors: [any Error] = []
        var claims: [Claim] = []
        var isDeleted = false
    }

    let results = Mutex(Results())

    func cancel(_ body: () async throws -> Job?) async {
        do {
            let job = try await body()
            results.withLock { $0.answers.append(job) }
        } catch {
            results.withLock { $0.errors.append(error) }
        }
    }

    func delete(_ body: () async throws -> Void) async {
        let isDeleted = (try? await body()) != nil
        results.withLock { $0.isDeleted = isDeleted }
    }

    func claim(_ body: () async throws -> [Claim]) async {
        let claims = (try? await body()) ?? []
        results.withLock { $0.claims += claims }
    }
}
