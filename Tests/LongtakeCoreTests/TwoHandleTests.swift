import LongtakeCore
import LongtakeTesting
import Testing

@Suite("two handles on one store in memory", .serialized, .timeLimit(.minutes(4)))
struct TwoHandleTests {
    private typealias Conformance = TwoHandleConformance<MemoryJournal>

    @Test("keep the contract", arguments: TwoHandleConformance<MemoryJournal>.all)
    func prompt(_ check: TwoHandleConformance<MemoryJournal>.Check) async throws {
        let first = MemoryJournal(clock: ManualClock())
        try await check.run(Conformance(first, first.anotherHandle(HolderID(rawValue: 2))))
    }

    @Test(
        "keep it when batches commit late, and answers are lost", arguments: TwoHandleConformance<MemoryJournal>.all,
        1...4)
    func hostile(_ check: TwoHandleConformance<MemoryJournal>.Check, _ seed: UInt64) async throws {
        let first = MemoryJournal(clock: ManualClock(), schedule: HostileSchedule(seed: seed))
        let second = first.anotherHandle(HolderID(rawValue: 2), schedule: HostileSchedule(seed: seed + 100))
        try await check.run(Conformance(first, second))
    }

    @Test("tell of what the other has committed, as events or as a position")
    func tails() async throws {
        let first = MemoryJournal(clock: ManualClock())
        let late = first.anotherHandle(HolderID(rawValue: 2), schedule: HostileSchedule(seed: 1))
        let (events, positions) = (Seen<EventType>(), Seen<EventPosition>())
        for handle in [first, late] {
            handle.tail { notice in
                switch notice.news {
                case .events(let new): for event in new { events.add(event.type) }
                case .advanced(let position): positions.add(position)
                }
            }
        }
        _ = try await first.submit(Samples.submission(1))
        #expect(events.list == [.jobQueued])
        #expect(positions.list == [EventPosition(rawValue: 1)])
        let page = try await late.events(FeedQuery(tenant: .anonymous, after: .beforeFirst))
        #expect(page.head == positions.list.last, "what it is told of can be read")
    }

    @Test("a notice of own events names the position before them, so a reader sees what it has missed")
    func gaps() async throws {
        let first = MemoryJournal(clock: ManualClock(), schedule: HostileSchedule(seed: 1))
        let second = first.anotherHandle(HolderID(rawValue: 2), schedule: HostileSchedule(seed: 2))
        let notices = Seen<TailNotice>()
        first.tail { notices.add($0) }
        _ = try await first.submit(Samples.submission(1))
        _ = try await second.submit(Samples.submission(2))
        _ = try await first.submit(Samples.submission(3))
        let after = notices.list.map { $0.after?.rawValue }
        #expect(after == [0, nil, 2])
    }

    @Test("the epoch is that of each page and notice, and may change while the process lives")
    func epochs() async throws {
        let store = MemoryJournal(epoch: Epoch(rawValue: 1), clock: ManualClock())
        let epochs = Seen<Epoch>()
        store.tail { epochs.add($0.epoch) }
        _ = try await store.submit(Samples.submission(1))
        await store.renewEpoch(Epoch(rawValue: 2))
        _ = try await store.submit(Samples.submission(2))
        #expect(epochs.list == [Epoch(rawValue: 1), Epoch(rawValue: 2)])
        #expect(try await store.jobs(JobQuery()).epoch == Epoch(rawValue: 2))
        #expect(try await store.events(FeedQuery(tenant: .anonymous, after: .beforeFirst)).epoch == store.epoch)
    }
}
