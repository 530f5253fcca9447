public import LongtakeCore
import Synchronization

/// Reads pages of event logs for all streams. A page comes from a ring if possible. Otherwise all
/// callers that need the same page share one read.
public final class LogReader: Sendable {
    private let journal: any Journal
    let rings: FrameRings
    let gate: ReadGate
    /// Reads of the feed can be long, if a filter selects few events. They have a gate of their
    /// own, so that only few of them can be ahead of a read of a job's log.
    let feedGate = ReadGate(width: StreamLimits.feedReadsAtOnce)
    private let deadline = ReadDeadline()
    /// Waits for ``retryMilliseconds``.
    private let pause: @Sendable () async -> Void
    static let retryMilliseconds: Int64 = 20
    private static let attempts = 500
    private let inFlight = Mutex<[Key: [Caller]]>([:])

    private struct Key: Hashable {
        let job: JobID
        let tenant: TenantName
        let after: EventSequence
    }

    private struct Caller {
        /// The id of the wait in ``ReadDeadline``.
        let waitID: Int
        let result: CheckedContinuation<FramePage?, any Error>
    }

    init(
        journal: any Journal, rings: FrameRings, readsAtOnce: Int = StreamLimits.streamReadsAtOnce,
        pause: @escaping @Sendable () async -> Void = {}
    ) {
        self.journal = journal
        self.rings = rings
        gate = ReadGate(width: readsAtOnce)
        self.pause = pause
    }

    /// How many callers wait for a read in flight.
    var waiting: Int { inFlight.withLock { $0.values.reduce(0) { $0 + $1.count } } }

    /// A period of the hub has passed. Callers that have waited too long get
    /// ``JournalError/overloaded``.
    func tick() {
        gate.tick()
        feedGate.tick()
        deadline.tick()
    }

    /// The page after `cursor` from a ring; `nil` if the event log must be read.
    /// - Parameter head: an event that the caller knows to exist. A ring may not contain it yet,
    ///   because an event can be read before it is published.
    func cachedPage(
        of job: JobID, of tenant: TenantName, after cursor: EventSequence,
        expecting head: EventSequence = .beforeFirst
    ) -> FramePage? {
        guard let page = rings.page(of: job, of: tenant, after: cursor) else { return nil }
        // Without this check, a caller that knows of more events would get the same empty page for
        // ever.
        return page.last == nil && page.head < head ? nil : page
    }

    /// The page after `cursor`; `nil` if the tenant has no such job.
    ///
    /// The page contains every event after the cursor that was published before the call, or says
    /// that more events follow. Committed events that are not yet published reach the listeners of
    /// the event loops. So a stream registers there before it reads.
    /// - Parameter head: an event that the caller knows to exist.
    public func page(
        of job: JobID, of tenant: TenantName, after cursor: EventSequence,
        expecting head: EventSequence = .beforeFirst
    ) async throws -> FramePage? {
        let key = Key(job: job, tenant: tenant, after: cursor)
        while true {
            if let page = cachedPage(of: job, of: tenant, after: cursor, expecting: head) { return page }
            let (page, isOwn) = try await sharedPage(key, expecting: head)
            // A read that another caller began may be older than this call. The ring that it filled
            // is current. If there is no ring, read again.
            guard let page, !isOwn, !page.isComplete else { return page }
        }
    }

    /// A page of the feed.
    public func page(_ query: FeedQuery) async throws -> FeedPage {
        try await deadline.within { isWanted in
            try await self.feedGate.pass(for: query.tenant) {
                try await self.retryingOverload({ if !isWanted() { throw CancellationError() } }) {
                    try await self.journal.events(query)
                }
            }
        }
    }

    /// The job, for a snapshot or a queue position; `nil` if the tenant has no such job.
    public func job(_ id: JobID, of tenant: TenantName) async throws -> Job? {
        try await deadline.within { isWanted in
            try await self.gate.pass(for: tenant) {
                try await self.retryingOverload({ if !isWanted() { throw CancellationError() } }) {
                    try await self.journal.job(id, of: tenant)
                }
            }
        }
    }

    private func sharedPage(_ key: Key, expecting head: EventSequence) async throws -> (FramePage?, isOwn: Bool) {
        let isOwn = Mutex(false)
        let page = try await deadline.wait { (id, result: CheckedContinuation<FramePage?, any Error>) in
            let caller = Caller(waitID: id, result: result)
            let isFirst = self.inFlight.withLock { inFlight in
                defer { inFlight[key, default: []].append(caller) }
                return inFlight[key] == nil
            }
            isOwn.withLock { $0 = isFirst }
            guard isFirst else { return }
            // Unstructured, because the read serves all callers, and the first one may leave before
            // it ends.
            Task {
                let result: Result<FramePage?, any Error>
                do { result = .success(try await self.read(key, expecting: head)) } catch is Abandoned { return } catch
                {
                    result = .failure(error)
                }
                for caller in self.inFlight.withLock({ $0.removeValue(forKey: key) }) ?? [] {
                    if self.deadline.end(caller.waitID) { caller.result.resume(with: result) }
                }
            }
        }
        return (page, isOwn.withLock { $0 })
    }

    /// All callers of a read have left, and the read was removed.
    private struct Abandoned: Error {}

    private func abandonUnlessWanted(_ key: Key) throws(Abandoned) {
        let isAbandoned = inFlight.withLock { inFlight in
            guard let callers = inFlight[key], !callers.contains(where: { deadline.isWaiting($0.waitID) }) else {
                return false
            }
            inFlight[key] = nil
            return true
        }
        if isAbandoned { throw Abandoned() }
    }

    private func read(_ key: Key, expecting head: EventSequence) async throws -> FramePage? {
        try await gate.pass(for: key.tenant) {
            try abandonUnlessWanted(key)
            // While this read waited for its turn, another one may have filled the ring, perhaps
            // without the oldest events.
            if let page = cachedPage(of: key.job, of: key.tenant, after: key.after, expecting: head) { return page }
            let missing = rings.missingEvents(of: key.job, of: key.tenant, after: key.after)
            let token = rings.prepare(key.job, of: key.tenant)
            do {
                let page = try await retryingOverload({ try abandonUnlessWanted(key) }) {
                    try await journal.events(
                        of: key.job, of: key.tenant, after: key.after,
                        limit: min(Limits.eventsPerPage, missing ?? Limits.eventsPerPage))
                }.map(FramePage.init)
                guard let page else {
                    rings.discard(key.job, token)
                    return nil
                }
                rings.fill(key.job, token, with: page)
                return missing == nil
                    ? page : cachedPage(of: key.job, of: key.tenant, after: key.after) ?? page
            } catch {
                rings.discard(key.job, token)
                throw error
            }
        }
    }

    /// Retries for ten seconds while the store has too many waiting reads, so that overload does
    /// not end an open stream.
    /// - Parameter checkWanted: throws if no caller is left.
    private func retryingOverload<Value>(
        _ checkWanted: () throws -> Void, _ read: () async throws -> Value
    ) async throws -> Value {
        for _ in 1..<Self.attempts {
            try checkWanted()
            do {
                return try await read()
            } catch JournalError.overloaded {
                await pause()
            }
        }
        return try await read()
    }
}

/// An encoded page of the event log of one job.
public struct FramePage: Sendable {
    /// In order. The first one follows the cursor.
    public var frames: [EventFrame]
    /// The last event of the log when the page was read.
    public var head: EventSequence
    /// Whether the head is a final event.
    public var isFinal: Bool
    /// The epoch of the head and of all events.
    public var epoch: Epoch

    init(_ page: EventPage) {
        frames = page.events.map { EventFrame($0) }
        head = page.head
        isFinal = page.isFinal
        epoch = page.epoch
    }

    /// A page with the first of `frames`, up to the limits of a page.
    init(firstOf frames: ArraySlice<EventFrame>, head: EventSequence, epoch: Epoch) {
        var bytes = 0
        let page = frames.prefix(Limits.eventsPerPage).prefix { frame in
            bytes += frame.byteCount
            return bytes <= Limits.bytesPerPage || bytes == frame.byteCount
        }
        self.frames = Array(page)
        self.head = head
        self.epoch = epoch
        isFinal = false
    }

    /// The last event of the page.
    public var last: EventSequence? { frames.last?.sequence }

    /// Whether a later read gives the same page: it ends before the head, or the log has ended.
    var isComplete: Bool { (last ?? head) < head || isFinal }
}
