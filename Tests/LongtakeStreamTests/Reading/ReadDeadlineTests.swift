import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeStream

/// A disk that hangs: reads that do not end until the test lets them.
@Suite("a read that hangs")
struct ReadDeadlineTests {
    private let journal = GatedJournal()

    private func reader(readsAtOnce: Int) async throws -> LogReader {
        for number in 1...2 { _ = try await journal.submit(Samples.submission(number)) }
        return LogReader(journal: journal, rings: FrameRings(capacityBytes: 1 << 20), readsAtOnce: readsAtOnce)
    }

    private func page(_ number: Int, _ reader: LogReader) async throws -> FramePage? {
        try await reader.page(of: Samples.submission(number).id, of: .anonymous, after: .beforeFirst)
    }

    /// The error of a read; `nil` if it succeeds.
    private func refusal<Value>(_ read: () async throws -> Value) async -> JournalError? {
        do { _ = try await read() } catch { return error as? JournalError }
        return nil
    }

    // Seen to hang without the `tick` of `deadline` in LogReader.
    @Test("fails for a caller after some periods, not earlier, and a later read succeeds")
    func inTheRead() async throws {
        let reader = try await reader(readsAtOnce: 2)
        async let first = refusal { try await page(1, reader) }
        await journal.arrived.wait()
        reader.tick()
        // It joins the hanging read one period later.
        async let second = refusal { try await page(1, reader) }
        await until { reader.waiting >= 2 }
        for _ in 1..<Limits.readPeriods { reader.tick() }
        let early = await first
        #expect(early == .overloaded)
        #expect(reader.waiting == 2, "the second caller has one period left")
        reader.tick()
        let late = await second
        #expect(late == .overloaded)
        // The result of the hanging read has no caller any more, and is dropped.
        journal.open.give()
        #expect(try await page(1, reader)?.frames.count == 1)
        await until { reader.waiting <= 0 }
    }

    // Seen to fail without the `tick` of `gate` in LogReader: the three reads stayed in its queue.
    @Test("makes the reads that wait for their turn fail, and removes them")
    func beforeTheRead() async throws {
        let reader = try await reader(readsAtOnce: 1)
        async let hanging = refusal { try await page(1, reader) }
        await journal.arrived.wait()
        async let log = refusal { try await page(2, reader) }
        async let job = refusal { try await reader.job(Samples.submission(1).id, of: .anonymous) }
        await until { reader.gate.waiting >= 2 }
        for _ in 1...Limits.readPeriods { reader.tick() }
        let refusals = await [log, job, hanging]
        #expect(refusals == Array(repeating: .overloaded, count: 3))
        #expect(reader.gate.waiting == 0)
        journal.open.give()
        #expect(try await page(2, reader)?.frames.count == 1)
        #expect(try await reader.job(Samples.submission(1).id, of: .anonymous) != nil)
    }

    // Seen to hang without the cancellation handler in ReadDeadline, and to read once more without
    // `abandonUnlessWanted` in LogReader.
    @Test("does not delay cancelled callers, whose own reads are not made")
    func left() async throws {
        let reader = try await reader(readsAtOnce: 1)
        async let hanging = page(1, reader)
        await journal.arrived.wait()
        let leaving = [
            Task { await refusal { try await page(2, reader) } },
            Task { await refusal { try await page(2, reader) } },
        ]
        await until { !(reader.gate.waiting < 1 || reader.waiting < 3) }
        for task in leaving {
            task.cancel()
            // It returns although the disk hangs, and not with an error of the store.
            #expect(await task.value == nil)
        }
        journal.open.give()
        let first = try await hanging
        #expect(first?.frames.count == 1)
        await until { !(reader.gate.waiting > 0 || reader.waiting > 0) }
        #expect(journal.reads.withLock { $0 } == 1)
        // A new caller gets its page.
        #expect(try await page(2, reader)?.frames.count == 1)
    }

    // Seen to hang with one gate for both, and to fail without the `tick` of `feedGate` in
    // LogReader.
    @Test("of the feed does not delay reads of a job's log, and fails like them")
    func feed() async throws {
        let reader = try await reader(readsAtOnce: 1)
        let query = FeedQuery(tenant: .anonymous, filter: FeedFilter(), after: .beforeFirst)
        let feed = Signal()
        journal.feed.withLock { $0 = feed }
        let reading = (1...5).map { _ in Task { await refusal { try await reader.page(query) } } }
        await until { reader.feedGate.waiting >= 5 - StreamLimits.feedReadsAtOnce }
        journal.open.give()
        #expect(try await page(1, reader)?.frames.count == 1)
        for _ in 1...Limits.readPeriods { reader.tick() }
        for task in reading { #expect(await task.value == .overloaded) }
        #expect(reader.feedGate.waiting == 0)
        feed.give()
        #expect(try await reader.page(query).events.count == 2)
    }

    // Seen to fail without `checkWanted` in LogReader: it was tried 500 times.
    @Test("is not retried if its callers have already failed")
    func unwanted() async throws {
        journal.open.give()
        journal.failure.withLock { $0 = .overloaded }
        let box = Mutex<LogReader?>(nil)
        for number in 1...2 { _ = try await journal.submit(Samples.submission(number)) }
        let reader = LogReader(journal: journal, rings: FrameRings(capacityBytes: 1 << 20), readsAtOnce: 1) {
            for _ in 1...Limits.readPeriods { box.withLock { $0 }?.tick() }
        }
        box.withLock { $0 = reader }
        #expect(await refusal { try await page(1, reader) } == .overloaded)
        journal.failure.withLock { $0 = nil }
        #expect(try await page(2, reader)?.frames.count == 1)
        #expect(journal.reads.withLock { $0 } == 2)
        box.withLock { $0 = nil }
    }
}
