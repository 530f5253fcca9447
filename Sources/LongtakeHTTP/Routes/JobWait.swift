import LongtakeCore
import LongtakeStream

/// Waits for what becomes of a job, on behalf of a request that asked for that with `Prefer: wait`.
///
/// It ends early, with the job as it is, where the daemon drains or the client says that it will send no more: whoever has left costs nothing,
/// and whoever only has nothing more to say gets an answer.
struct JobWait: Sendable {
    let journal: any Journal
    let hub: StreamHub
    let limit: Duration
    let caller: Caller
    let exchange: RequestExchange

    /// The job when it is final, or as it is after the limit.
    func end(of job: Job) async throws -> Job {
        try await wait(for: job, isForFinal: true) { $0.state.isFinal }
    }

    /// The job when it is another than the client knows, or as it is after the limit. One that is final changes no more.
    func change(of job: Job, from known: KnownTags) async throws -> Job {
        // Whoever knows whatever is there waits for nothing.
        if known == .any { return job }
        return try await wait(for: job, isForFinal: false) { $0.state.isFinal || !known.contains(EntityTag($0)) }
    }

    private func wait(
        for job: Job, isForFinal: Bool, until isReached: (Job) -> Bool
    ) async throws -> Job {
        var (job, left) = (job, limit)
        if isReached(job) || left == .zero { return job }
        guard let place = hub.takeWait(of: caller.owner.account) else { throw Problem.tooManyWaits }
        defer { withExtendedLifetime(place) {} }
        while !isReached(job), left > .zero, !exchange.hasReaderLeft, !hub.isDraining {
            let (id, tenant, cursor) = (job.id, job.tenant, job.lastEvent.sequence)
            left = try await hub.waitForEvent(
                of: id, behind: cursor, upTo: left, isForFinal: isForFinal, ending: exchange.whenReaderLeaves
            ) {
                let page = try await journal.events(of: id, of: tenant, after: cursor, limit: 1)
                return page.map { $0.isFinal || !isForFinal && $0.head > cursor } ?? true
            }
            guard let now = try await journal.job(id, of: tenant) else { throw Problem.noSuchJob }
            job = now
        }
        return job
    }
}
