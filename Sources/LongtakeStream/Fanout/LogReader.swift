public import LongtakeCore
import Synchronization

/// Reads pages of jobs' logs for all streams: from the rings where they have them, and otherwise once for all who ask for the same.
public final class LogReader: Sendable {
    private let journal: any Journal
    let rings: FrameRings
    let gate: ReadGate
    /// Of the feed, whose reads are long where a filter lets little through: no reader of a job's log stands behind more of them than this.
    let feedGate = ReadGate(width: Limits.feedReadsAtOnce)
    private let deadline = ReadDeadline()
    /// Takes ``pauseMilliseconds``.
    private let pause: @Sendable () async -> Void
    static let pauseMilliseconds: Int64 = 20
    private static let tries = 500
    private let underWay = Mutex<[Key: [Caller]]>([:])

    private struct Key: Hashable {
        let job: JobID
        let tenant: TenantName
        let after: EventSequence
    }

    private struct Caller {
        let ticket: Int
        let turn: CheckedContinuation<FramePage?, any Error>
    }

    init(
        journal: any Journal, rings: FrameRings, readsAtOnce: Int = Limits.streamReadsAtOnce,
        pause: @escaping @Sendable () async -> Void = {}
    ) {
        self.journal = journal
        self.rings = rings
        gate = ReadGate(width: readsAtOnce)
        self.pause = pause
    }

    /// How many wait for reads that are under way.
    var waiting: Int { underWay.withLock { $0.values.reduce(0) { $0 + $1.count } } }

    /// A period of ``Housekeeping`` has passed: who has waited for too long is refused with ``JournalError/overloaded``.
    func tick() {
        gate.tick()
        feedGate.tick()
        deadline.tick()
    }

    /// The page behind `after`, at once; `nil` where the log has to be read.
    /// - Parameter head: what the caller knows to exist. A ring may know less: a page can be read before what is on it is published.
    func known(
        of job: JobID, of tenant: TenantName, after: EventSequence, knowing head: EventSequence = .beforeFirst
    ) -> FramePage? {
        guard let page = rings.page(of: job, of: tenant, after: after) else { return nil }
        // A page that takes its reader nowhere, although there is more, would only be asked for again.
        return page.last == nil && page.head < head ? nil : page
    }

    /// The page behind `after`. `nil` where this tenant has no such job.
    ///
    /// No event that was published before the call is missing from what is behind the cursor, unless the page says that more follows. What is
    /// committed and not yet published reaches those who stand in their loop's table, which streams do before they ask.
    /// - Parameter head: what the caller knows to exist, and so will find behind the cursor.
    public func page(
        of job: JobID, of tenant: TenantName, after: EventSequence, knowing head: EventSequence = .beforeFirst
    ) async throws -> FramePage? {
        let key = Key(job: job, tenant: tenant, after: after)
        while true {
            if let page = known(of: job, of: tenant, after: after, knowing: head) { return page }
            let (page, isOwn) = try await shared(key, knowing: head)
            // A read that somebody else had begun may be older than this call. The ring that it left is not; without it, read again.
            guard let page, !isOwn, !page.isSettled else { return page }
        }
    }

    /// A page of the feed.
    public func page(_ query: FeedQuery) async throws -> FeedPage {
        try await deadline.within { isWanted in
            try await self.feedGate.pass(for: query.tenant) {
                try await self.patiently({ if !isWanted() { throw CancellationError() } }) {
                    try await self.journal.events(query)
                }
            }
        }
    }

    /// The job, for a reader whose cursor cannot be honoured. `nil` where this tenant has no such job.
    public func job(_ id: JobID, of tenant: TenantName) async throws -> Job? {
        try await deadline.within { isWanted in
            try await self.gate.pass(for: tenant) {
                try await self.patiently({ if !isWanted() { throw CancellationError() } }) {
                    try await self.journal.job(id, of: tenant)
                }
            }
        }
    }

    private func shared(_ key: Key, knowing head: EventSequence) async throws -> (FramePage?, isOwn: Bool) {
        let isOwn = Mutex(false)
        let page = try await deadline.wait { (ticket, turn: CheckedContinuation<FramePage?, any Error>) in
            let caller = Caller(ticket: ticket, turn: turn)
            let isFirst = self.underWay.withLock { underWay in
                defer { underWay[key, default: []].append(caller) }
                return underWay[key] == nil
            }
            isOwn.withLock { $0 = isFirst }
            guard isFirst else { return }
            // Unstructured, since it serves all who wait for it, and the one who began it may be the first to leave.
            Task {
                let result: Result<FramePage?, any Error>
                do { result = .success(try await self.read(key, knowing: head)) } catch is Unwanted { return } catch {
                    result = .failure(error)
                }
                for caller in self.underWay.withLock({ $0.removeValue(forKey: key) }) ?? [] {
                    if self.deadline.close(caller.ticket) { caller.turn.resume(with: result) }
                }
            }
        }
        return (page, isOwn.withLock { $0 })
    }

    /// All who wanted a page have left, and no trace of it is left either.
    private struct Unwanted: Error {}

    private func leaveUnwanted(_ key: Key) throws(Unwanted) {
        let isUnwanted = underWay.withLock { underWay in
            guard let callers = underWay[key], !callers.contains(where: { deadline.isOpen($0.ticket) }) else {
                return false
            }
            underWay[key] = nil
            return true
        }
        if isUnwanted { throw Unwanted() }
    }

    private func read(_ key: Key, knowing head: EventSequence) async throws -> FramePage? {
        try await gate.pass(for: key.tenant) {
            try leaveUnwanted(key)
            // While this waited for its turn, somebody else may have read what it needs, or all but the beginning.
            if let page = known(of: key.job, of: key.tenant, after: key.after, knowing: head) { return page }
            let missing = rings.missing(of: key.job, of: key.tenant, after: key.after)
            let token = rings.prepare(key.job, of: key.tenant)
            do {
                let page = try await patiently({ try leaveUnwanted(key) }) {
                    try await journal.events(
                        of: key.job, of: key.tenant, after: key.after,
                        limit: min(Limits.eventsPerPage, missing ?? Limits.eventsPerPage))
                }.map(FramePage.init)
                guard let page else {
                    rings.discard(key.job, token)
                    return nil
                }
                rings.fill(key.job, token, with: page)
                return missing == nil ? page : known(of: key.job, of: key.tenant, after: key.after) ?? page
            } catch {
                rings.discard(key.job, token)
                throw error
            }
        }
    }

    /// Tries again for ten seconds where the journal has too many other reads waiting: a stream that runs is not to end for that.
    /// - Parameter checkWanted: throws where nobody waits any more.
    private func patiently<Value>(
        _ checkWanted: () throws -> Void, _ read: () async throws -> Value
    ) async throws -> Value {
        for _ in 1..<Self.tries {
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
