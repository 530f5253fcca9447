import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeHTTP

// Fails if every request writes to the disk.
@Suite("readiness")
struct ReadinessProbeTests {
    private let clock = TestClock()
    private let disk = CountedDisk()

    @Test("writes at most once per second")
    func lasts() async throws {
        let probe = ReadinessProbe(clock: clock) { [disk] in try disk.write() }
        for _ in 1...100 { try await probe.run() }
        #expect(disk.writes.load(ordering: .relaxed) == 1)
        clock.advance(by: .milliseconds(999))
        try await probe.run()
        #expect(disk.writes.load(ordering: .relaxed) == 1)
        clock.advance(by: .milliseconds(1))
        try await probe.run()
        #expect(disk.writes.load(ordering: .relaxed) == 2)
    }

    @Test("does not cache a failed write")
    func failure() async throws {
        let probe = ReadinessProbe(clock: clock) { [disk] in try disk.write() }
        disk.isFull.store(true, ordering: .relaxed)
        for _ in 1...2 { await #expect(throws: JournalError.cannotPersist("full")) { try await probe.run() } }
        disk.isFull.store(false, ordering: .relaxed)
        try await probe.run()
        #expect(disk.writes.load(ordering: .relaxed) == 3)
    }

    @Test("concurrent requests share one write")
    func together() async throws {
        let (begun, begin) = AsyncStream<Void>.makeStream()
        let (released, release) = AsyncStream<Void>.makeStream()
        let probe = ReadinessProbe(clock: clock) { [disk] in
            try disk.write()
            begin.yield()
            for await _ in released { return }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await probe.run() }
            for await _ in begun { break }
            let callers = Counter()
            for _ in 1...50 {
                group.addTask {
                    callers.count.add(1, ordering: .relaxed)
                    try await probe.run()
                }
            }
            await until { callers.count.load(ordering: .relaxed) == 50 }
            release.finish()
            try await group.waitForAll()
        }
        #expect(disk.writes.load(ordering: .relaxed) == 1)
    }

    private final class Counter: Sendable {
        let count = Atomic(0)
    }

    private final class CountedDisk: Sendable {
        let writes = Atomic(0)
        let isFull = Atomic(false)

        func write() throws {
            writes.add(1, ordering: .relaxed)
            if isFull.load(ordering: .relaxed) { throw JournalError.cannotPersist("full") }
        }
    }
}
