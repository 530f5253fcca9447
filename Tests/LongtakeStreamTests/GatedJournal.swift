import LongtakeCore
import LongtakeTesting
import Synchronization

/// A store in memory. A read of a log takes its snapshot at once, and returns when the test opens
/// the gate.
final class GatedJournal: JournalDouble {
    let inner: MemoryJournal
    /// The handle that commits. It differs from `inner` if that is another handle.
    let origin: MemoryJournal
    let arrived = Signal()
    let open = Signal()
    let reads = Mutex(0)
    let failure = Mutex<JournalError?>(nil)
    /// The pruned position in pages of the feed.
    let prunedThrough = Mutex(EventPosition.beforeFirst)
    /// Reads of jobs wait for this signal, if there is one.
    let jobs = Mutex<Signal?>(nil)
    /// The estimate of every job.
    let estimate = Mutex<JobEstimate?>(nil)
    /// Reads of the feed wait for this signal, if there is one.
    let feed = Mutex<Signal?>(nil)
    /// The error of reads of the feed; `nil` if they succeed.
    let feedFailure = Mutex<JournalError?>(nil)
    let feedReads = Mutex(0)

    /// Whether the store gives no notices, because the test calls ``notify(_:)``.
    private let isSilent: Bool
    private let observers = Mutex<[@Sendable (TailNotice) -> Void]>([])

    /// - Parameters:
    ///   - isRemote: whether `inner` is another handle, whose notices carry no events.
    ///   - isSilent: whether only the test gives notices.
    init(isRemote: Bool = false, isSilent: Bool = false) {
        self.isSilent = isSilent
        origin = MemoryJournal(epoch: Epoch(rawValue: 1), clock: ManualClock())
        inner =
            isRemote ? origin.anotherHandle(HolderID(rawValue: 2), schedule: HostileSchedule(seed: 1)) : origin
    }

    func tail(_ observer: @escaping @Sendable (TailNotice) -> Void) {
        if isSilent { observers.withLock { $0.append(observer) } } else { inner.tail(observer) }
    }

    func notify(_ notice: TailNotice) {
        for observer in observers.withLock({ $0 }) { observer(notice) }
    }

    func events(
        of job: JobID, of tenant: TenantName, after: EventSequence, limit: Int
    ) async throws -> EventPage? {
        let page = try await inner.events(of: job, of: tenant, after: after, limit: limit)
        reads.withLock { $0 += 1 }
        arrived.give()
        await open.wait()
        if let failure = failure.withLock({ $0 }) { throw failure }
        return page
    }

    func job(_ job: JobID, of tenant: TenantName) async throws -> Job? {
        await jobs.withLock { $0 }?.wait()
        if let failure = failure.withLock({ $0 }) { throw failure }
        var job = try await inner.job(job, of: tenant)
        job?.estimate = estimate.withLock { $0 }
        return job
    }
    func events(_ query: FeedQuery) async throws -> FeedPage {
        feedReads.withLock { $0 += 1 }
        if let failure = feedFailure.withLock({ $0 }) { throw failure }
        var page = try await inner.events(query)
        page.prunedThrough = prunedThrough.withLock { $0 }
        await feed.withLock { $0 }?.wait()
        return page
    }
}
