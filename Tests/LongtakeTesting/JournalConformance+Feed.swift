import LongtakeCore
import Synchronization

/// Checks of the feed.
extension JournalConformance {
    public func readsTheFeedInCommitOrder() async throws {
        let journal = try await make(ManualClock())
        let seen = SeenEvents()
        journal.observeEvents { events in seen.list.withLock { $0 += events } }
        let submissions = (1...6).map { Samples.submission($0, tenant: $0 == 6 ? "other" : "anonymous") }
        for submission in submissions { _ = try await journal.submit(submission) }
        for _ in 1...3 {
            let claim = try await claim(journal)
            for step in 1...5 { _ = try await journal.report(report(Double(step) / 10), for: claim) }
            _ = try await journal.finish(claim, with: .succeeded(output: nil))
        }
        _ = try await journal.cancel(submissions[4].id, of: .anonymous)
        let committed = seen.list.withLock { $0 }
        let all = committed.filter { $0.tenant == .anonymous }
        try expect(all.count < committed.count, "the check needs events of another tenant")

        let filters: [(FeedFilter, String)] = [
            (FeedFilter(), "the feed contains every event of the tenant"),
            (FeedFilter(jobs: [submissions[0].id]), "a filter can select one job"),
            (FeedFilter(jobs: [submissions[0].id, submissions[2].id]), "the feed of several jobs is in commit order"),
            (FeedFilter(types: [.jobQueued, .jobCanceled]), "a filter can select rare types"),
            (FeedFilter(types: [.stageProgress]), "a filter can select the frequent type"),
            (
                FeedFilter(jobs: [submissions[1].id, submissions[4].id], types: [.stageProgress, .jobCanceled]),
                "a filter can select jobs and types together"
            ),
            (FeedFilter(pipelines: [Samples.submission(1).pipeline.name]), "a filter can select a pipeline"),
            (
                FeedFilter(pipelines: [PipelineName(unchecked: "elsewhere")]),
                "a filter for another pipeline selects no event"
            ),
            (FeedFilter(jobs: [submissions[5].id]), "a filter for the job of another tenant selects no event"),
        ]
        for (filter, sentence) in filters {
            let wanted = all.filter { filter.accepts(job: $0.job, pipeline: $0.pipeline, type: $0.type) }
            for limit in [1, 2, 1_000] {
                var (found, query) = (
                    [CommittedEvent](), FeedQuery(tenant: .anonymous, filter: filter, after: .beforeFirst)
                )
                query.limit = limit
                var page = try await journal.events(query)
                while page.reached > query.after {
                    found += page.events
                    try expect(page.events.count <= limit, "a page has at most the requested number of events")
                    let ends = page.events.last.map { $0.position <= page.reached } ?? true
                    try expect(ends && page.reached <= page.head, "a page reports the position that it has reached")
                    query.after = page.reached
                    page = try await journal.events(query)
                }
                try expect(found == wanted, sentence)
                try expect(query.after == committed.last?.position, "the last page reaches the head")
            }
        }
        let beyond = try await journal.events(
            FeedQuery(tenant: .anonymous, after: EventPosition(rawValue: .max)))
        try expect(
            beyond.events.isEmpty && beyond.reached == beyond.head && beyond.head == committed.last?.position,
            "a read after the head returns no events and the head")
        try await journal.close()
    }
}
