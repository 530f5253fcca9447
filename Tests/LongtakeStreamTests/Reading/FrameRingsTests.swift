import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeStream

@Suite struct FrameRingsTests {
    private let job = Samples.submission(1).id
    private let rings = FrameRings(capacityBytes: 1 << 20)

    private func publish(_ sequences: ClosedRange<Int64>, type: EventType = .stageProgress) {
        rings.append(sequences.map { EventFrame(Frames.event($0, of: job, type: type)) })
    }

    /// The page of a read when the log has the head `head`.
    private func page(after: Int64, head: Int64, limit: Int64 = 256, isFinal: Bool = false) -> FramePage {
        let last = min(head, after + limit)
        return FramePage(
            EventPage(
                epoch: Epoch(rawValue: 1),
                events: after < last ? (after + 1...last).map { Frames.event($0, of: job) } : [],
                head: EventSequence(rawValue: head), isFinal: isFinal))
    }

    private func cached(after: Int64, of tenant: TenantName = .anonymous) -> [Int64]? {
        rings.page(of: job, of: tenant, after: EventSequence(rawValue: after)).map {
            $0.frames.map(\.sequence.rawValue)
        }
    }

    /// | reader           | writer          |
    /// |------------------|-----------------|
    /// | prepare          |                 |
    /// |                  | publish 5       |
    /// | read: 1…4        |                 |  a snapshot without 5
    /// |                  | publish 6       |
    /// | fill             |                 |
    @Test("events that are published during a read follow the page")
    func publishedMeanwhile() {
        let token = rings.prepare(job, of: .anonymous)
        publish(5...5)
        let read = page(after: 0, head: 4)
        publish(6...6)
        #expect(cached(after: 4) == nil, "without the page, the ring may lack older events")
        rings.fill(job, token, with: read)
        #expect(cached(after: 0) == [1, 2, 3, 4, 5, 6])
        #expect(cached(after: 3) == [4, 5, 6])
        #expect(cached(after: 6) == [])
        #expect(cached(after: 7) == nil, "ahead of the log: the store decides")
    }

    /// | reader           | writer          |
    /// |------------------|-----------------|
    /// | prepare          |                 |
    /// |                  | publish 4, 5    |
    /// | read: 1…5        |                 |  a snapshot with 5
    /// | fill             |                 |
    @Test("an event that was both published and read is there once")
    func publishedAndRead() {
        let token = rings.prepare(job, of: .anonymous)
        publish(4...5)
        rings.fill(job, token, with: page(after: 0, head: 5))
        #expect(cached(after: 0) == [1, 2, 3, 4, 5])
        publish(5...6)
        #expect(cached(after: 2) == [3, 4, 5, 6])
    }

    /// | reader A         | reader B         | writer        |
    /// |------------------|------------------|---------------|
    /// | prepare          |                  |               |
    /// | read: 3…4        |                  |               |
    /// |                  | prepare          |               |
    /// |                  | read: 1…5        |               |
    /// |                  | fill             |               |
    /// | fill             |                  |               |  a shorter, older page
    @Test("a shorter page does not remove events of a longer one")
    func twoReaders() {
        let first = rings.prepare(job, of: .anonymous)
        let read = page(after: 2, head: 4)
        let second = rings.prepare(job, of: .anonymous)
        publish(5...5)
        rings.fill(job, second, with: page(after: 0, head: 5))
        rings.fill(job, first, with: read)
        #expect(cached(after: 0) == [1, 2, 3, 4, 5])
    }

    /// | reader           | writer          | eviction        |
    /// |------------------|-----------------|-----------------|
    /// | prepare          |                 |                 |
    /// | read: 1…4        |                 |                 |
    /// |                  |                 | drops the ring  |
    /// |                  | publish 5       |                 |  no ring collects it
    /// | (B) prepare      |                 |                 |  a new ring
    /// | fill             |                 |                 |  for the old ring: ignored
    @Test("a page that was read for an earlier ring of the job is not put into a later one")
    func tokens() {
        let token = rings.prepare(job, of: .anonymous)
        let read = page(after: 0, head: 4)
        rings.discard(job, token)
        publish(5...5)
        _ = rings.prepare(job, of: .anonymous)
        rings.fill(job, token, with: read)
        #expect(cached(after: 0) == nil, "otherwise 5 would be missing")
    }

    /// | reader A         | reader B         | writer        |
    /// |------------------|------------------|---------------|
    /// | prepare          |                  |               |
    /// | read: 1…4, fill  |                  |               |
    /// |                  |                  | commit 5      |  not published yet
    /// |                  | prepare          |               |
    /// |                  | read: 4…5, fill  |               |
    /// |                  |                  | publish 5     |
    @Test("a page may be newer than the published events")
    func newerPage() {
        rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: 0, head: 4))
        rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: 3, head: 5))
        #expect(cached(after: 5) == [])
        #expect(cached(after: 0) == [1, 2, 3, 4, 5])
        publish(5...6)
        #expect(cached(after: 3) == [4, 5, 6])
        // Two events between the ring and this page are not yet published.
        rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: 8, head: 9))
        #expect(cached(after: 5) == [6])
        rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: 9, head: 9))
        #expect(cached(after: 5) == [6])
    }

    @Test(
        "in every order of commits, publishing, reads and fills, a page is complete",
        arguments: 1...200 as ClosedRange<UInt64>)
    func randomOrders(seed: UInt64) throws {
        let rings = FrameRings(capacityBytes: 1 << 20)
        var random = Seeded(state: seed)
        var (committed, published): (Int64, Int64) = (1, 1)
        var answered = 0
        var reads: [(token: FrameRings.Token?, page: FramePage)] = []
        for _ in 0..<400 {
            switch Int.random(in: 0..<6, using: &random) {
            case 0: committed += .random(in: 1...3, using: &random)
            case 1 where published < committed:
                let next = Int64.random(in: published + 1...committed, using: &random)
                rings.append((published + 1...next).map { EventFrame(Frames.event($0, of: job)) })
                published = next
            case 2:
                let token = rings.prepare(job, of: .anonymous)
                let after = Int64.random(in: max(0, committed - 12)...committed, using: &random)
                // The missing events, or a page that may end before the head.
                let missing = rings.missingEvents(of: job, of: .anonymous, after: EventSequence(rawValue: after))
                reads.append((token, page(after: after, head: committed, limit: Int64(missing ?? 9))))
            case 3 where !reads.isEmpty:
                let read = reads.remove(at: .random(in: reads.indices, using: &random))
                rings.fill(job, read.token, with: read.page)
            case 4 where Int.random(in: 0..<10, using: &random) == 0:
                rings.discard(job, rings.prepare(job, of: .anonymous))
            default:
                let after = Int64.random(in: max(0, published - 9)...committed, using: &random)
                let answer = rings.page(of: job, of: .anonymous, after: EventSequence(rawValue: after))
                guard let found = answer?.frames.map({ $0.sequence.rawValue }), let head = answer?.head.rawValue else {
                    continue
                }
                answered += 1
                try #require(
                    found == Array(after + 1..<after + 1 + Int64(found.count)), "no event is missing or repeated")
                try #require(after + Int64(found.count) == head && head <= committed, "no event is invented")
                try #require(head >= published, "no published event is missing")
            }
        }
        #expect(answered > 20, "the rings have pages")
    }

    @Test("a page that does not reach the head of the log makes no ring")
    func cutPage() {
        let token = rings.prepare(job, of: .anonymous)
        rings.fill(job, token, with: page(after: 0, head: 300))
        #expect(cached(after: 0) == nil && rings.memoryBytes == 0)
    }

    @Test("a job that has ended has no ring, because no more events come")
    func finals() {
        let token = rings.prepare(job, of: .anonymous)
        rings.fill(job, token, with: page(after: 0, head: 3))
        #expect(cached(after: 1) == [2, 3])
        publish(4...4, type: .jobCanceled)
        #expect(cached(after: 1) == nil && rings.memoryBytes == 0)
        let late = rings.prepare(job, of: .anonymous)
        rings.fill(job, late, with: page(after: 0, head: 4, isFinal: true))
        #expect(cached(after: 1) == nil && rings.memoryBytes == 0)
    }

    @Test("a cursor that no event has gives no page")
    func absurdCursors() {
        rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: 0, head: 3))
        #expect(cached(after: .max) == nil && cached(after: 4) == nil)
        for cursor in [Int64.max, 4, 3, 0] {
            #expect(rings.missingEvents(of: job, of: .anonymous, after: EventSequence(rawValue: cursor)) == nil)
        }
    }

    @Test("older pages do not make a ring grow without bound")
    func joinedPast() {
        rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: 9_800, head: 10_000))
        for after in stride(from: Int64(9_600), to: 0, by: -200) {
            rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: after, head: 10_000))
        }
        #expect(rings.memoryBytes < StreamLimits.ringEvents * 1_000)
        #expect(cached(after: 9_900)?.count == 100)
    }

    @Test("a missing event drops the ring")
    func hole() {
        let token = rings.prepare(job, of: .anonymous)
        rings.fill(job, token, with: page(after: 0, head: 3))
        publish(5...5)
        #expect(cached(after: 1) == nil)
    }

    @Test("a ring belongs to one tenant, and another tenant gets nothing from it")
    func tenants() {
        let token = rings.prepare(job, of: .anonymous)
        rings.fill(job, token, with: page(after: 0, head: 3))
        let other = TenantName(unchecked: "other")
        #expect(cached(after: 0, of: other) == nil)
        #expect(rings.prepare(job, of: other) == nil)
        #expect(cached(after: 0) == [1, 2, 3])
    }

    @Test("a ring keeps the newest events, and gives only complete pages")
    func longLogs() throws {
        let token = rings.prepare(job, of: .anonymous)
        rings.fill(job, token, with: page(after: 0, head: 3))
        publish(4...10_000)
        #expect(cached(after: 10) == nil, "only the event log goes back that far")
        let kept = Int64(StreamLimits.ringEvents)
        let first = try #require(cached(after: 10_000 - kept))
        #expect(first.first == 10_000 - kept + 1 && first.count == min(Limits.eventsPerPage, Int(kept)))
    }

    @Test("all rings share one capacity, and rings that were used lately are evicted last")
    func cap() throws {
        let rings = FrameRings(capacityBytes: 256 * 1024)
        let jobs = (1...500).map { Samples.submission($0).id }
        func make(_ job: JobID) {
            let token = rings.prepare(job, of: .anonymous)
            let events = (1...8).map { Frames.event(Int64($0), of: job) }
            rings.fill(
                job, token,
                with: FramePage(
                    EventPage(
                        epoch: Epoch(rawValue: 1), events: events, head: EventSequence(rawValue: 8), isFinal: false)))
        }
        make(jobs[0])
        for job in jobs[1...20] { make(job) }
        #expect(rings.evictIdle().bytes == 0)
        #expect(rings.page(of: jobs[0], of: .anonymous, after: .beforeFirst)?.frames.count == 8)
        for job in jobs[21...] {
            make(job)
            #expect(rings.memoryBytes <= 256 * 1024)
            if job == jobs[40] { #expect(rings.page(of: jobs[0], of: .anonymous, after: .beforeFirst) != nil) }
        }
        #expect(jobs.count { rings.page(of: $0, of: .anonymous, after: .beforeFirst) != nil } > 20)
    }

    @Test("a ring that nobody uses is evicted, even if it collects events")
    func ageing() {
        rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: 0, head: 3))
        #expect(rings.evictIdle().bytes == 0)
        publish(4...4)
        #expect(cached(after: 2) == [3, 4])
        #expect(rings.evictIdle().bytes == 0)
        publish(5...5)
        #expect(rings.evictIdle().bytes > 0)
        #expect(rings.memoryBytes == 0 && cached(after: 2) == nil)
    }
}
