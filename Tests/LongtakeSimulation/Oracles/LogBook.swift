import LongtakeCore

/// A copy of every event that ever became durable, separate from the store. The checks compare
/// readers and later boots with it.
final class LogBook {
    /// An event with its expected bytes.
    struct Entry {
        let event: CommittedEvent
        /// Its block of Server-Sent Events, in its job's stream and in the feed.
        let block: [UInt8]
        let feedBlock: [UInt8]
    }

    private(set) var jobs: [JobID: JobChronicle] = [:]
    /// In commit order.
    private(set) var feed: [Entry] = []
    private let verdict: Verdict
    private let trace: Trace

    init(verdict: Verdict, trace: Trace) {
        self.verdict = verdict
        self.trace = trace
    }

    /// Adds the events of a transaction that became durable.
    /// - Parameters:
    ///   - events: the values of the committed events.
    ///   - authors: the claims of the workers that wrote them; `nil` for other authors.
    ///   - boot: 1 for the first boot of the daemon.
    func append(
        _ committed: [CommittedEvent], _ events: [JobEvent], by authors: [ClaimID?], in boot: Int, at moment: Moment
    ) {
        for (index, event) in committed.enumerated() {
            trace.tell("durable #\(event.position.rawValue) \(event.job) \(event.json)")
            trace.mix(UInt64(bitPattern: event.position.rawValue))
            trace.mix(UInt64(event.payload.utf8.count))
            verdict.check(
                event.position > feed.last?.event.position ?? .beforeFirst, .log, "a position is used twice")
            let text = Array("event: \(event.type.rawValue)\ndata: \(event.json)\n\n".utf8)
            let feedID = FeedID(epoch: event.id.epoch, position: event.position)
            let entry = Entry(
                event: event, block: Array("id: \(event.id)\n".utf8) + text,
                feedBlock: Array("id: \(feedID)\n".utf8) + text)
            feed.append(entry)
            jobs[event.job, default: JobChronicle()].append(
                entry, events[index], by: authors[index], in: boot, at: moment, verdict)
        }
    }

    func entry(of job: JobID, _ sequence: Int64) -> Entry? {
        guard let entries = jobs[job]?.entries, sequence >= 1, sequence <= entries.count else { return nil }
        return entries[Int(sequence) - 1]
    }

    /// The number of jobs of a tenant that wait for their first claim.
    func queued(of tenant: TenantName) -> Int {
        jobs.values.count { $0.isQueued && $0.entries[0].event.tenant == tenant }
    }

    /// The position of the last event for this tenant that `filter` accepts; 0 if there is none.
    func last(of tenant: TenantName, _ filter: FeedFilter) -> Int64 {
        var index = feed.count - 1
        while index >= 0 {
            let event = feed[index].event
            if event.tenant == tenant, filter.accepts(job: event.job, pipeline: event.pipeline, type: event.type) {
                return event.position.rawValue
            }
            index -= 1
        }
        return 0
    }

    /// The first event of the feed after `position` for this tenant that `filter` accepts.
    func next(after position: Int64, of tenant: TenantName, _ filter: FeedFilter) -> Entry? {
        feed.first { entry in
            let event = entry.event
            return event.position.rawValue > position && event.tenant == tenant
                && filter.accepts(job: event.job, pipeline: event.pipeline, type: event.type)
        }
    }
}
