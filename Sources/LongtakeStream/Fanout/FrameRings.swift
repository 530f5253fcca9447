import LongtakeCore
import Synchronization

/// The newest events of jobs that somebody reads, encoded, so that many who return at once share one read of the log.
///
/// A ring is made before the log is read and collects from then on whatever is published; the page that was read is put in front of it. So
/// what a ring holds is never older than what its reader could miss: an event is in the ring before the loops are asked who follows
/// its job. All rings together have one cap, and a ring that nobody asked for lately goes: those that were asked for since the last
/// ``sweep()`` are young, and the others are the first to go.
final class FrameRings: Sendable {
    /// One life of a ring, so that a page that was read for an earlier one is not put into it.
    struct Token: Hashable, Sendable {
        fileprivate let number: Int
    }

    fileprivate struct Generation {
        private(set) var rings: [JobID: FrameRing] = [:]
        private(set) var bytes = 0

        mutating func take(_ job: JobID) -> FrameRing? {
            guard let ring = rings.removeValue(forKey: job) else { return nil }
            bytes -= ring.memoryBytes
            return ring
        }

        mutating func put(_ ring: FrameRing, for job: JobID) {
            rings[job] = ring
            bytes += ring.memoryBytes
        }

        /// Takes out any.
        mutating func drop() { if let job = rings.first?.key { _ = take(job) } }
    }

    private struct State {
        var young = Generation()
        var old = Generation()
        var made = 0

        mutating func shrink(to capacity: Int) {
            while young.bytes + old.bytes > capacity {
                if old.rings.isEmpty { (old, young) = (young, Generation()) }
                old.drop()
            }
        }
    }

    private let state = Mutex(State())
    private let capacity: Int

    init(capacityBytes: Int) { capacity = capacityBytes }

    /// What all rings take in memory, about.
    var memoryBytes: Int { state.withLock { $0.young.bytes + $0.old.bytes } }

    /// Those whose jobs have rings.
    var tenants: Set<TenantName> {
        state.withLock { state in
            Set(state.young.rings.values.map(\.tenant)).union(state.old.rings.values.map(\.tenant))
        }
    }

    /// Drops all rings. Pages that are being read for them are not put into later ones.
    func removeAll() { state.withLock { ($0.young, $0.old) = (Generation(), Generation()) } }

    /// What a sweep has taken out.
    final class Swept: Sendable {
        /// What it takes in memory.
        let bytes: Int
        private let rings: Mutex<Generation>

        fileprivate init(_ rings: Generation) {
            bytes = rings.bytes
            self.rings = Mutex(rings)
        }

        /// Frees it, which takes a while for hundreds of thousands of frames.
        func free() { rings.withLock { $0 = Generation() } }
    }

    /// Takes out the rings that nobody has asked for since the sweep before.
    func sweep() -> Swept {
        state.withLock { state in
            defer { (state.old, state.young) = (state.young, Generation()) }
            return Swept(state.old)
        }
    }

    /// Makes sure that what is published from here on is collected. To be called before the log is read.
    /// - Returns: `nil` where somebody else's name stands on the ring; then the page that is read has no place here.
    func prepare(_ job: JobID, of tenant: TenantName) -> Token? {
        ask(job, orMake: tenant) { $0.tenant == tenant ? Token(number: $0.number) : nil } ?? nil
    }

    /// The page behind `place`, where the ring has all that there is behind it.
    func page(of job: JobID, of tenant: TenantName, after place: EventSequence) -> FramePage? {
        ask(job) { $0.tenant == tenant ? $0.page(after: place) : nil } ?? nil
    }

    /// How many events are missing between `place` and the first that the ring has; `nil` where it has none.
    func missing(of job: JobID, of tenant: TenantName, after place: EventSequence) -> Int? {
        ask(job) { ring in
            guard ring.tenant == tenant, let first = ring.first, first > place else { return nil }
            let missing = Int(first.rawValue - place.rawValue) - 1
            return missing > 0 ? missing : nil
        } ?? nil
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
            guard !(state.young.rings.isEmpty && state.old.rings.isEmpty) else { return [] }
            return events.indices.filter { index in
                let job = events[index].job
                return state.young.rings[job] != nil || state.old.rings[job] != nil
            }
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

    /// For a reader, which keeps the ring young.
    private func ask<Value>(
        _ job: JobID, orMake tenant: TenantName? = nil, _ body: (FrameRing) -> Value
    ) -> Value? {
        state.withLock { state in
            var ring = state.young.take(job) ?? state.old.take(job)
            if ring == nil, let tenant {
                state.made += 1
                ring = FrameRing(number: state.made, tenant: tenant)
            }
            guard let ring else { return nil }
            let value = body(ring)
            state.young.put(ring, for: job)
            state.shrink(to: capacity)
            return value
        }
    }

    /// Where it is, so that a ring that only collects grows old.
    private func change(_ job: JobID, _ body: (inout FrameRing) -> Void) {
        state.withLock { state in
            let isYoung = state.young.rings[job] != nil
            guard var ring = isYoung ? state.young.take(job) : state.old.take(job) else { return }
            body(&ring)
            guard !ring.isUseless else { return }
            if isYoung { state.young.put(ring, for: job) } else { state.old.put(ring, for: job) }
            state.shrink(to: capacity)
        }
    }
}
