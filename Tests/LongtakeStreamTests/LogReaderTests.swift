import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeStream

@Suite struct LogReaderTests {
    @Test("many who ask for the same page at once share one read")
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
        // The others ask once more, since they came later, and the ring answers.
        #expect(journal.reads.withLock { $0 } == 1)
    }

    /// | reader A           | reader B              | writer          |
    /// |--------------------|-----------------------|-----------------|
    /// | read begins: 1     |                       |                 |
    /// |                    |                       | commit 2        |
    /// |                    | asks the same         |                 |
    /// | read ends          | gets A's page: 1      |                 |  2 was committed before B asked
    @Test("who joins a read that began earlier does not get its old page")
    func joiner() async throws {
        let journal = GatedJournal()
        _ = try await journal.submit(Samples.submission(1))
        // The place of the ring is somebody else's, so that nothing but a second read can help.
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

    @Test("a read that the journal has no room for is tried again; one that fails, fails all who waited for it")
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

    /// | reader                          | writer                  |
    /// |---------------------------------|-------------------------|
    /// | reads 1, and the ring has it    |                         |
    /// |                                 | commit 2                |  not published yet
    /// | knows of 2 by another page      |                         |
    /// | asks what is behind 1           |                         |  the ring: nothing, again and again
    ///
    /// Found by the simulation as a stack that ran out. Fails where what the reader knows is left out of account.
    @Test("a reader who knows more than the ring is given what it knows of")
    func behindTheRing() async throws {
        let journal = GatedJournal()
        journal.open.give()
        let job = Samples.submission(1).id
        _ = try await journal.submit(Samples.submission(1))
        let reader = LogReader(journal: journal, rings: FrameRings(capacityBytes: 1 << 20))
        let (first, second) = (EventSequence(rawValue: 1), EventSequence(rawValue: 2))
        #expect(try await reader.page(of: job, of: .anonymous, after: .beforeFirst)?.last == first)
        _ = try await journal.inner.cancel(job, of: .anonymous)
        #expect(reader.known(of: job, of: .anonymous, after: first)?.frames.isEmpty == true)
        #expect(reader.known(of: job, of: .anonymous, after: first, knowing: second) == nil)
        let page = try await reader.page(of: job, of: .anonymous, after: first, knowing: second)
        #expect(page?.frames.map(\.type) == [.jobCanceled])
    }

    @Test("a stranger finds no job, and leaves no ring")
    func stranger() async throws {
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
