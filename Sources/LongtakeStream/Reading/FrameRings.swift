import LongtakeCore
import Synchronization

/// The newest events of jobs that somebody watches, encoded. So many clients that reconnect
/// together share one read of the event log.
///
/// A ring is made before the event log is read. It collects what is published from then on, and the
/// page that was read is put in front of it. An event is in its ring before the event loops are
/// asked who follows its job. So a ring always contains what its reader could miss.
///
/// All rings together have one capacity. Rings have two generations: those that were used since the
/// last ``evictIdle()`` are young. Old ones are evicted first.
final class FrameRings: Sendable {
    /// Identifies one ring, so that a page that was read for an earlier ring of the job is not put
    /// into a later one.
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

        /// Removes any ring.
        mutating func evictOne() { if let job = rings.first?.key { _ = take(job) } }
    }

    private struct State {
        var young = Generation()
        var old = Generation()
        /// The number of rings so far.
        var made = 0

        mutating func shrink(to capacity: Int) {
            while young.bytes + old.bytes > capacity {
                if old.rings.isEmpty { (old, young) = (young, Generation()) }
                old.evictOne()
            }
        }
    }

    private let state = Mutex(State())
    private let capacity: Int

    init(capacityBytes: Int) { capacity = capacityBytes }

    /// The approximate memory of all rings.
    var memoryBytes: Int { state.withLock { $0.young.bytes + $0.old.bytes } }

    /// The tenants of the jobs that have rings.
    var tenants: Set<TenantName> {
        state.withLock { state in
            Set(state.young.rings.values.map(\.tenant)).union(state.old.rings.values.map(\.tenant))
        }
    }

    // MARK: Eviction

    /// Evicted rings.
    final class Evicted: Sendable {
        /// Their memory.
        let bytes: Int
        private let rings: Mutex<Generation>

        fileprivate init(_ rings: Generation) {
            bytes = rings.bytes
            self.rings = Mutex(rings)
        }

        /// Frees the memory, which takes a while for hundreds of thousands of frames.
        func free() { rings.withLock { $0 = Generation() } }
    }

    /// Evicts the rings that nobody has used since the last call.
    func evictIdle() -> Evicted {
        state.withLock { state in
            defer { (state.old, state.young) = (state.young, Generation()) }
            return Evicted(state.old)
        }
    }

    /// Drops all rings. A page that is being read for one of them is not put into a later ring.
    func removeAll() {
        let removed = state.withLock { state in
            defer { (state.young, state.old) = (Generation(), Generation()) }
            return [Evicted(state.young), Evicted(state.old)]
        }
        for rings in removed { rings.free() }
    }

    // MARK: Reading

    /// Makes sure that events are collected from here on. Call it before reading the event log.
    /// - Returns: `nil` if the ring belongs to another tenant. Then the page has no ring to go to.
    func prepare(_ job: JobID, of tenant: TenantName) -> Token? {
        use(job, orMakeFor: tenant) { $0.tenant == tenant ? Token(number: $0.number) : nil } ?? nil
    }

    /// The page after `cursor`, if the ring has all events after it.
    func page(of job: JobID, of tenant: TenantName, after cursor: EventSequence) -> FramePage? {
        use(job) { $0.tenant == tenant ? $0.page(after: cursor) : nil } ?? nil
    }

    /// The number of events between `cursor` and the first event of the ring; `nil` if none is
    /// missing or the ring has no events.
    func missingEvents(of job: JobID, of tenant: TenantName, after cursor: EventSequence) -> Int? {
        use(job) { ring in
            guard ring.tenant == tenant, let first = ring.first, first > cursor else { return nil }
            let missing = Int(first.rawValue - cursor.rawValue) - 1
            return missing > 0 ? missing : nil
        } ?? nil
    }

    /// Puts a page that was read after ``prepare(_:of:)`` in front of the collected events.
    func fill(_ job: JobID, _ token: Token?, with page: FramePage) {
        update(job) { ring in
            guard ring.number == token?.number else { return }
            if !ring.fill(page) { ring.isInvalid = true }
        }
    }

    /// Drops the ring that was prepared for a read, because the read failed or the log has ended.
    func discard(_ job: JobID, _ token: Token?) {
        update(job) { if $0.number == token?.number { $0.isInvalid = true } }
    }

    // MARK: Publishing

    /// The indices of the events whose jobs have rings.
    func collecting(_ events: [CommittedEvent]) -> [Int] {
        state.withLock { state in
            guard !(state.young.rings.isEmpty && state.old.rings.isEmpty) else { return [] }
            return events.indices.filter { index in
                let job = events[index].job
                return state.young.rings[job] != nil || state.old.rings[job] != nil
            }
        }
    }

    /// Collects published events. The final event of a job drops its ring, because no more events
    /// come.
    func append(_ frames: [EventFrame]) {
        for frame in frames {
            update(frame.job) { ring in
                ring.append(frame)
                if frame.isFinal { ring.isInvalid = true }
            }
        }
    }

    /// Reads a ring and makes it young.
    private func use<Value>(
        _ job: JobID, orMakeFor tenant: TenantName? = nil, _ body: (FrameRing) -> Value
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

    /// Changes a ring in its generation. So a ring that collects events but has no readers grows
    /// old.
    private func update(_ job: JobID, _ body: (inout FrameRing) -> Void) {
        state.withLock { state in
            let isYoung = state.young.rings[job] != nil
            guard var ring = isYoung ? state.young.take(job) : state.old.take(job) else { return }
            body(&ring)
            guard !ring.isInvalid else { return }
            if isYoung { state.young.put(ring, for: job) } else { state.old.put(ring, for: job) }
            state.shrink(to: capacity)
        }
    }
}

/// Consecutive events of one job, up to the newest.
private struct FrameRing {
    let number: Int
    let tenant: TenantName
    /// Whether the ring is to be dropped.
    var isInvalid = false
    private var frames: [EventFrame] = []
    /// The newest event. It is `nil` until a page that reached it was read. Until then the ring has
    /// no pages.
    private var head: EventSequence?
    /// The epoch of the frames and of the head; `nil` while there are none.
    private var epoch: Epoch?
    private(set) var memoryBytes = 256

    init(number: Int, tenant: TenantName) {
        self.number = number
        self.tenant = tenant
    }

    mutating func append(_ frame: EventFrame) {
        guard belongs(to: frame.id.epoch) else { return }
        let newest = frames.last?.sequence ?? head
        if let newest {
            guard frame.sequence > newest else { return }
            // Every event is published. A missing one means an error here, so the ring is dropped.
            guard frame.sequence == newest.next else {
                isInvalid = true
                return
            }
        }
        frames.append(frame)
        memoryBytes += frame.memoryBytes
        if head != nil { head = frame.sequence }
        trim()
    }

    /// Removes the oldest frames, many at a time.
    private mutating func trim() {
        guard frames.count > StreamLimits.ringEvents + StreamLimits.ringEvents / 4 else { return }
        frames.removeFirst(frames.count - StreamLimits.ringEvents)
        countMemory()
    }

    /// The first event that a page can contain; `nil` if there is none.
    var first: EventSequence? { head == nil ? nil : frames.first?.sequence }

    /// Merges a page with the collected events. The page may be older or newer than they are,
    /// because an event can be read before it is published.
    /// - Returns: whether the ring remains valid.
    mutating func fill(_ page: FramePage) -> Bool {
        guard !page.isFinal, belongs(to: page.epoch) else { return false }
        let last = page.last ?? page.head
        guard let oldest = frames.first?.sequence, let newest = frames.last?.sequence else {
            // If the ring knows a newer head, the page is old. If the page does not reach its head,
            // it cannot make the ring complete.
            guard last == page.head, head.map({ $0 <= last }) ?? true else { return head != nil }
            (frames, head) = (page.frames, last)
            countMemory()
            return true
        }
        // If the page and the frames do not touch, the events between them are not yet published,
        // or were trimmed.
        guard oldest <= last.next, (page.frames.first?.sequence ?? last.next) <= newest.next else { return head != nil }
        let older = page.frames.prefix { $0.sequence < oldest }
        let newer = page.frames.drop { $0.sequence <= newest }
        frames = older + frames + newer
        head = frames.last?.sequence
        countMemory()
        trim()
        return true
    }

    /// Whether the ring may hold events of that epoch. If not, the ring becomes invalid.
    private mutating func belongs(to epoch: Epoch) -> Bool {
        if self.epoch == nil { self.epoch = epoch }
        if self.epoch != epoch { isInvalid = true }
        return self.epoch == epoch
    }

    private mutating func countMemory() { memoryBytes = frames.reduce(256) { $0 + $1.memoryBytes } }

    func page(after cursor: EventSequence) -> FramePage? {
        guard let head, let epoch, cursor <= head else { return nil }
        let first = frames.first?.sequence ?? head.next
        guard cursor >= first || cursor.next == first else { return nil }
        return FramePage(
            firstOf: frames[Int(cursor.rawValue - first.rawValue + 1)...], head: head, epoch: epoch)
    }
}
