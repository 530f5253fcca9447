import LongtakeCore
import Synchronization

/// The newest events of jobs that somebody reads, encoded, so that many who return at once share one read of the log.
///
/// A ring is made before the log is read and collects from then on whatever is published; the page that was read is put in front of it. So
/// what a ring holds is never older than what its reader could miss: an event is in the ring before the loops are asked who follows
/// its job. All rings together have one cap, kept by two generations: what was touched lately is young, and when the young take
/// half of the cap, the old ones go.
final class FrameRings: Sendable {
    /// One life of a ring, so that a page that was read for an earlier one is not put into it.
    struct Token: Hashable, Sendable {
        fileprivate let number: Int
    }

    private struct State {
        var young: [JobID: FrameRing] = [:]
        var old: [JobID: FrameRing] = [:]
        var youngBytes = 0
        var made = 0
    }

    private let state = Mutex(State())
    private let capacity: Int

    init(capacityBytes: Int) { capacity = capacityBytes }

    /// What all rings take in memory, about.
    var memoryBytes: Int {
        state.withLock { state in
            (Array(state.young.values) + Array(state.old.values)).reduce(0) { $0 + $1.memoryBytes }
        }
    }

    /// Makes sure that what is published from here on is collected. To be called before the log is read.
    /// - Returns: `nil` where somebody else's name stands on the ring; then the page that is read has no place here.
    func prepare(_ job: JobID, of tenant: TenantName) -> Token? {
        change(job, orMake: tenant) { $0.tenant == tenant ? Token(number: $0.number) : nil } ?? nil
    }

    /// Puts a page that was read after ``prepare(_:of:)`` in front of what was collected.
    func fill(_ job: JobID, _ token: Token?, with page: FramePage) {
        change(job) { ring in
            guard ring.number == token?.number else { return }
            if !ring.fill(page) { ring.isUseless = true }
        }
    }

    /// The read for which the ring was prepared failed, or there is nothing to come any more.
    func discard(_ job: JobID, _ token: Token?) {
        change(job) { if $0.number == token?.number { $0.isUseless = true } }
    }

    /// Whether some of these events' jobs have rings, by index.
    func collecting(_ events: [CommittedEvent]) -> [Int] {
        state.withLock { state in
            guard !(state.young.isEmpty && state.old.isEmpty) else { return [] }
            return events.indices.filter { state.young[events[$0].job] != nil || state.old[events[$0].job] != nil }
        }
    }

    /// Collects what a commit has published. A job that has ended needs no ring: nobody is told more of it than the log has.
    func append(_ frames: [EventFrame]) {
        for frame in frames {
            change(frame.job) { ring in
                ring.append(frame)
                if frame.isFinal { ring.isUseless = true }
            }
        }
    }

    /// The page behind `place`, where the ring has all that there is behind it.
    func page(of job: JobID, of tenant: TenantName, after place: EventSequence) -> FramePage? {
        change(job) { $0.tenant == tenant ? $0.page(after: place) : nil } ?? nil
    }

    @discardableResult
    private func change<Value>(
        _ job: JobID, orMake tenant: TenantName? = nil, _ body: (inout FrameRing) -> Value
    ) -> Value? {
        state.withLock { state in
            var ring = state.young.removeValue(forKey: job)
            if let ring {
                state.youngBytes -= ring.memoryBytes
            } else {
                ring = state.old.removeValue(forKey: job)
            }
            if ring == nil, let tenant {
                state.made += 1
                ring = FrameRing(number: state.made, tenant: tenant)
            }
            guard var ring else { return nil }
            let value = body(&ring)
            guard !ring.isUseless else { return value }
            state.youngBytes += ring.memoryBytes
            state.young[job] = ring
            if state.youngBytes > capacity / 2 { (state.old, state.young, state.youngBytes) = (state.young, [:], 0) }
            return value
        }
    }
}
