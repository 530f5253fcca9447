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

    /// What a read of the log gives whose head is `head`.
    private func page(after: Int64, head: Int64, limit: Int64 = 256, isFinal: Bool = false) -> FramePage {
        let last = min(head, after + limit)
        return FramePage(
            EventPage(
                epoch: Epoch(rawValue: 1),
                events: after < last ? (after + 1...last).map { Frames.event($0, of: job) } : [],
                head: EventSequence(rawValue: head), isFinal: isFinal))
    }

    private func known(after: Int64, of tenant: TenantName = .anonymous) -> [Int64]? {
        rings.page(of: job, of: tenant, after: EventSequence(rawValue: after)).map {
            $0.frames.map(\.sequence.rawValue)
        }
    }

    /// | reader           | writer          |
    /// |------------------|-----------------|
    /// | prepare          |                 |
    /// |                  | publish 5       |
    /// | read: 1…4        |                 |  a snapshot from before 5
    /// |                  | publish 6       |
    /// | fill             |                 |
    @Test("what is published while the log is read follows on what was read")
    func publishedMeanwhile() {
        let token = rings.prepare(job, of: .anonymous)
        publish(5...5)
        let read = page(after: 0, head: 4)
        publish(6...6)
        #expect(known(after: 4) == nil, "until the read is in, the ring does not know whether it is whole")
        rings.fill(job, token, with: read)
        #expect(known(after: 0) == [1, 2, 3, 4, 5, 6])
        #expect(known(after: 3) == [4, 5, 6])
        #expect(known(after: 6) == [])
        #expect(known(after: 7) == nil, "ahead of the log; the journal says so")
    }

    /// | reader           | writer          |
    /// |------------------|-----------------|
    /// | prepare          |                 |
    /// |                  | publish 4, 5    |
    /// | read: 1…5        |                 |  a snapshot from after 5
    /// | fill             |                 |
    @Test("what was published and read is there once")
    func publishedAndRead() {
        let token = rings.prepare(job, of: .anonymous)
        publish(4...5)
        rings.fill(job, token, with: page(after: 0, head: 5))
        #expect(known(after: 0) == [1, 2, 3, 4, 5])
        publish(5...6)
        #expect(known(after: 2) == [3, 4, 5, 6])
    }

    /// | reader A         | reader B         | writer        |
    /// |------------------|------------------|---------------|
    /// | prepare          |                  |               |
    /// | read: 3…4        |                  |               |
    /// |                  | prepare          |               |
    /// |                  | read: 1…5        |               |
    /// |                  | fill             |               |
    /// | fill             |                  |               |  a shorter and older page
    @Test("a shorter page does not take away what a longer one brought")
    func twoReaders() {
        let first = rings.prepare(job, of: .anonymous)
        let read = page(after: 2, head: 4)
        let second = rings.prepare(job, of: .anonymous)
        publish(5...5)
        rings.fill(job, second, with: page(after: 0, head: 5))
        rings.fill(job, first, with: read)
        #expect(known(after: 0) == [1, 2, 3, 4, 5])
    }

    /// | reader           | writer          | the cap         |
    /// |------------------|-----------------|-----------------|
    /// | prepare          |                 |                 |
    /// | read: 1…4        |                 |                 |
    /// |                  |                 | the ring goes   |
    /// |                  | publish 5       |                 |  to no ring
    /// | (B) prepare      |                 |                 |  a new life
    /// | fill             |                 |                 |  of the old one: refused
    @Test("a page that was read for an earlier life of the ring is not put into the next")
    func lives() {
        let token = rings.prepare(job, of: .anonymous)
        let read = page(after: 0, head: 4)
        rings.discard(job, token)
        publish(5...5)
        _ = rings.prepare(job, of: .anonymous)
        rings.fill(job, token, with: read)
        #expect(known(after: 0) == nil, "otherwise 5 would be missing")
    }

    /// | reader A         | reader B         | writer        |
    /// |------------------|------------------|---------------|
    /// | prepare          |                  |               |
    /// | read: 1…4, fill  |                  |               |
    /// |                  |                  | commit 5      |  not published yet
    /// |                  | prepare          |               |
    /// |                  | read: 4…5, fill  |               |
    /// |                  |                  | publish 5     |
    @Test("a page may be newer than what was published")
    func newerPage() {
        rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: 0, head: 4))
        rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: 3, head: 5))
        #expect(known(after: 5) == [])
        #expect(known(after: 0) == [1, 2, 3, 4, 5])
        publish(5...6)
        #expect(known(after: 3) == [4, 5, 6])
        // Two are missing between what the ring has and this page: they are still to be published.
        rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: 8, head: 9))
        #expect(known(after: 5) == [6])
        rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: 9, head: 9))
        #expect(known(after: 5) == [6])
    }

    @Test(
        "whatever the order of commits, publishing, reads and returns, an answer is whole",
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
                // As many as are missing, or a page, which may be cut before the head.
                let missing = rings.missing(of: job, of: .anonymous, after: EventSequence(rawValue: after))
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
                    found == Array(after + 1..<after + 1 + Int64(found.count)), "nothing left out, nothing twice")
                try #require(after + Int64(found.count) == head && head <= committed, "nothing invented")
                try #require(head >= published, "nothing kept back that readers were told already")
            }
        }
        #expect(answered > 20, "it does answer")
    }

    @Test("a page that does not reach the head of the log makes no ring")
    func cutPage() {
        let token = rings.prepare(job, of: .anonymous)
        rings.fill(job, token, with: page(after: 0, head: 300))
        #expect(known(after: 0) == nil && rings.memoryBytes == 0)
    }

    @Test("a job that has ended has no ring, since nothing is to come")
    func finals() {
        let token = rings.prepare(job, of: .anonymous)
        rings.fill(job, token, with: page(after: 0, head: 3))
        #expect(known(after: 1) == [2, 3])
        publish(4...4, type: .jobCanceled)
        #expect(known(after: 1) == nil && rings.memoryBytes == 0)
        let late = rings.prepare(job, of: .anonymous)
        rings.fill(job, late, with: page(after: 0, head: 4, isFinal: true))
        #expect(known(after: 1) == nil && rings.memoryBytes == 0)
    }

    @Test("a cursor from nowhere is no trouble")
    func absurdCursors() {
        rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: 0, head: 3))
        #expect(known(after: .max) == nil && known(after: 4) == nil)
        for place in [Int64.max, 4, 3, 0] {
            #expect(rings.missing(of: job, of: .anonymous, after: EventSequence(rawValue: place)) == nil)
        }
    }

    @Test("a ring does not grow into the past without bound")
    func joinedPast() {
        rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: 9_800, head: 10_000))
        for after in stride(from: Int64(9_600), to: 0, by: -200) {
            rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: after, head: 10_000))
        }
        #expect(rings.memoryBytes < Limits.ringEvents * 1_000)
        #expect(known(after: 9_900)?.count == 100)
    }

    @Test("a hole in what is published ends the ring rather than being told")
    func hole() {
        let token = rings.prepare(job, of: .anonymous)
        rings.fill(job, token, with: page(after: 0, head: 3))
        publish(5...5)
        #expect(known(after: 1) == nil)
    }

    @Test("a ring is one tenant's, and says nothing to another")
    func tenants() {
        let token = rings.prepare(job, of: .anonymous)
        rings.fill(job, token, with: page(after: 0, head: 3))
        let stranger = TenantName(unchecked: "other")
        #expect(known(after: 0, of: stranger) == nil)
        #expect(rings.prepare(job, of: stranger) == nil)
        #expect(known(after: 0) == [1, 2, 3])
    }

    @Test("a ring keeps the newest events, and only whole answers")
    func longLogs() throws {
        let token = rings.prepare(job, of: .anonymous)
        rings.fill(job, token, with: page(after: 0, head: 3))
        publish(4...10_000)
        #expect(known(after: 10) == nil, "that far back only the log goes")
        let kept = Int64(Limits.ringEvents)
        let first = try #require(known(after: 10_000 - kept))
        #expect(first.first == 10_000 - kept + 1 && first.count == min(Limits.eventsPerPage, Int(kept)))
    }

    @Test("all rings together have one cap, and those that were asked for since the last sweep go last")
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
        #expect(rings.sweep().bytes == 0)
        #expect(rings.page(of: jobs[0], of: .anonymous, after: .beforeFirst)?.frames.count == 8)
        for job in jobs[21...] {
            make(job)
            #expect(rings.memoryBytes <= 256 * 1024)
            if job == jobs[40] { #expect(rings.page(of: jobs[0], of: .anonymous, after: .beforeFirst) != nil) }
        }
        #expect(jobs.count { rings.page(of: $0, of: .anonymous, after: .beforeFirst) != nil } > 20)
    }

    @Test("a ring that nobody asks for goes, whatever it collects")
    func ageing() {
        rings.fill(job, rings.prepare(job, of: .anonymous), with: page(after: 0, head: 3))
        #expect(rings.sweep().bytes == 0)
        publish(4...4)
        #expect(known(after: 2) == [3, 4])
        #expect(rings.sweep().bytes == 0)
        publish(5...5)
        #expect(rings.sweep().bytes > 0)
        #expect(rings.memoryBytes == 0 && known(after: 2) == nil)
    }
}
