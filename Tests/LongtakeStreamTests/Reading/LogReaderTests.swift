import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeStream

@Suite struct LogReaderTests {
    @Test("callers that need the same page share one read")
    func shared() async throws {
        let journal = GatedJournal()
        _ = try await journal.submit(Samples.submission(1))
        let reader = LogReader(journal: journal, rings: FrameRings(capacityBytes: 1 << 20))
        let job = Samples.submission(1).id
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<100 {
                group.addTask { try await reader.page(of: job, of: .anonymous, after: .beforeFirst)?.frames.count ?? 0 }
            }
            await until { reader.waiting >= 100 }
            journal.open.give()
            for try await count in group { #expect(count == 1) }
        }
        // The other callers came later, so they ask again, and the ring has the page.
        #expect(journal.reads.withLock { $0 } == 1)
    }

    /// | reader A           | reader B              | writer          |
    /// |--------------------|-----------------------|-----------------|
    /// | read begins: 1     |                       |                 |
    /// |                    |                       | commit 2        |
    /// |                    | joins A's read        |                 |
    /// | read ends          | gets A's page: 1      |                 |  2 was committed before B
    /// called
    @Test("a caller that joins an earlier read does not get its old page")
    func joiner() async throws {
        let journal = GatedJournal()
        _ = try await journal.submit(Samples.submission(1))
        // The ring belongs to another tenant, so only a second read finds the event.
        let rings = FrameRings(capacityBytes: 1 << 20)
        _ = rings.prepare(Samples.submission(1).id, of: TenantName(unchecked: "other"))
        let reader = LogReader(journal: journal, rings: rings)
        let job = Samples.submission(1).id
        async let first = reader.page(of: job, of: .anonymous, after: .beforeFirst)
        await journal.arrived.wait()
        _ = try await journal.inner.cancel(job, of: .anonymous)
        async let second = reader.page(of: job, of: .anonymous, after: .beforeFirst)
        await until { reader.waiting >= 2 }
        journal.open.give()
        #expect(try await first?.frames.isEmpty == false)
        #expect(try await second?.frames.map(\.type) == [.jobQueued, .jobCanceled])
    }

    @Test("a read is retried if the store is overloaded, and an error reaches all callers")
    func failure() async throws {
        let journal = GatedJournal()
        _ = try await journal.submit(Samples.submission(1))
        let reader = LogReader(journal: journal, rings: FrameRings(capacityBytes: 1 << 20)) {
            if journal.reads.withLock({ $0 }) == 3 { journal.failure.withLock { $0 = nil } }
        }
        let job = Samples.submission(1).id
        journal.open.give()
        journal.failure.withLock { $0 = .overloaded }
        #expect(try await reader.page(of: job, of: .anonymous, after: .beforeFirst)?.frames.count == 1)
        #expect(journal.reads.withLock { $0 } == 4)
        journal.failure.withLock { $0 = .closed }
        let other = Samples.submission(2).id
        _ = try await journal.submit(Samples.submission(2))
        await #expect(throws: JournalError.closed) {
            try await reader.page(of: other, of: .anonymous, after: .beforeFirst)
        }
        journal.failure.withLock { $0 = nil }
        #expect(try await reader.page(of: other, of: .anonymous, after: .beforeFirst)?.frames.count == 1)
    }

    /// | stream                          | writer                  |
    /// |---------------------------------|-------------------------|
    /// | reads 1, and the ring has it    |                         |
    /// |                                 | commit 2                |  not published yet
    /// | knows of 2 from another page    |                         |
    /// | needs the page after 1          |                         |  the ring: empty, again and
    /// again
    ///
    /// The simulation found this as a stack overflow. Fails if the ring ignores what the stream
    /// expects.
    @Test("a ring gives no page that lacks an event which the caller expects")
    func behindTheRing() async throws {
        let journal = GatedJournal()
        journal.open.give()
        let job = Samples.submission(1).id
        _ = try await journal.submit(Samples.submission(1))
        let reader = LogReader(journal: journal, rings: FrameRings(capacityBytes: 1 << 20))
        let (first, second) = (EventSequence(rawValue: 1), EventSequence(rawValue: 2))
        #expect(try await reader.page(of: job, of: .anonymous, after: .beforeFirst)?.last == first)
        _ = try await journal.inner.cancel(job, of: .anonymous)
        #expect(reader.cachedPage(of: job, of: .anonymous, after: first)?.frames.isEmpty == true)
        #expect(reader.cachedPage(of: job, of: .anonymous, after: first, expecting: second) == nil)
        let page = try await reader.page(of: job, of: .anonymous, after: first, expecting: second)
        #expect(page?.frames.map(\.type) == [.jobCanceled])
    }

    @Test("another tenant finds no job, and leaves no ring")
    func otherTenant() async throws {
        let journal = GatedJournal()
        _ = try await journal.submit(Samples.submission(1))
        journal.open.give()
        let rings = FrameRings(capacityBytes: 1 << 20)
        let reader = LogReader(journal: journal, rings: rings)
        let other = TenantName(unchecked: "other")
        #expect(try await reader.page(of: Samples.submission(1).id, of: other, after: .beforeFirst) == nil)
        #expect(rings.memoryBytes == 0)
    }
}
