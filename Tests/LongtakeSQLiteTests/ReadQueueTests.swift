import Dispatch
import Foundation
import GRDB
import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeSQLite

/// A read that does not return from the disk must not block its callers, nor later reads.
@Suite("the queue of reads")
struct ReadQueueTests {
    @Test("rejects callers that wait too long, and serves new ones when hanging reads end")
    func hanging() async throws {
        let pool = try DatabasePool(path: scratch.database)
        // The test decides when time passes.
        let queue = ReadQueue(pool: pool, width: 2, most: 2, period: .seconds(3_600))
        let disk = DispatchSemaphore(value: 0)
        for _ in 1...2 {
            let arrived = Signal()
            async let refusal = refusal {
                try await queue.read(for: .anonymous) { _ in
                    arrived.give()
                    disk.wait()
                }
            }
            await arrived.wait()
            for _ in 1...Limits.readPeriods { queue.tick() }
            #expect(await refusal == .overloaded)
        }
        // Both callers have their error, and both reads still hang: no connection is left for a
        // third.
        #expect(await refusal { try await queue.read(for: .anonymous) { _ in 1 } } == .overloaded)
        for _ in 1...2 { disk.signal() }
        let deadline = ContinuousClock.now + .seconds(20)
        var answer: Int?
        while answer == nil {
            try #require(.now < deadline, "the connections of the hanging reads were not released")
            answer = try? await queue.read(for: .anonymous) { try Int.fetchOne($0, sql: "SELECT 7") }
        }
        #expect(answer == 7)
    }

    // This test failed without `interrupt`: the read kept the only connection.
    @Test("interrupts an endless read when its caller stops waiting")
    func endless() async throws {
        let pool = try DatabasePool(path: scratch.database)
        let queue = ReadQueue(pool: pool, width: 1, most: 1, period: .seconds(3_600))
        let arrived = Signal()
        async let refusal = refusal {
            try await queue.read(for: .anonymous) { db in
                arrived.give()
                return try Int.fetchOne(
                    db, sql: "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n")
            }
        }
        await arrived.wait()
        for _ in 1...Limits.readPeriods { queue.tick() }
        #expect(await refusal == .overloaded)
        let deadline = ContinuousClock.now + .seconds(120)
        while (try? await queue.read(for: .anonymous) { try Int.fetchOne($0, sql: "SELECT 7") }) != 7 {
            try #require(.now < deadline, "the connection was not released")
        }
    }

    // This test hung without `tickLater` in `admit`, and without it in `tick`.
    @Test("rejects a read that waits too long without any other call")
    func clock() async throws {
        let pool = try DatabasePool(path: scratch.database)
        let queue = ReadQueue(pool: pool, width: 1, period: .milliseconds(1))
        let disk = DispatchSemaphore(value: 0)
        #expect(await refusal { try await queue.read(for: .anonymous) { _ in disk.wait() } } == .overloaded)
        disk.signal()
    }

    @Test("when the queue is full, the tenant with the most waiting reads loses its newest to another tenant")
    func fullQueue() async throws {
        let pool = try DatabasePool(path: scratch.database)
        let queue = ReadQueue(pool: pool, width: 1, most: 3, period: .seconds(3_600))
        let disk = DispatchSemaphore(value: 0)
        let arrived = Signal()
        async let running: Void = queue.read(for: .anonymous) { _ in
            arrived.give()
            disk.wait()
        }
        await arrived.wait()
        async let older = queue.read(for: .anonymous) { _ in 1 }
        await until { queue.waiting >= 1 }
        async let newer = refusal { try await queue.read(for: .anonymous) { _ in 2 } }
        await until { queue.waiting >= 2 }
        #expect(await refusal { try await queue.read(for: .anonymous) { _ in 3 } } == .overloaded)
        async let others = queue.read(for: TenantName(unchecked: "other")) { _ in 4 }
        #expect(await newer == .overloaded)
        disk.signal()
        try await running
        #expect(try await [older, others] == [1, 4])
    }

    @Test("a read whose caller is cancelled leaves the queue at once, even if the disk hangs")
    func leaving() async throws {
        let pool = try DatabasePool(path: scratch.database)
        let queue = ReadQueue(pool: pool, width: 1, period: .seconds(3_600))
        let disk = DispatchSemaphore(value: 0)
        let arrived = Signal()
        async let running: Void = queue.read(for: .anonymous) { _ in
            arrived.give()
            disk.wait()
        }
        await arrived.wait()
        let leaving = Task { try await queue.read(for: .anonymous) { _ in 1 } }
        await until { queue.waiting >= 1 }
        leaving.cancel()
        await #expect(throws: CancellationError.self) { try await leaving.value }
        #expect(queue.waiting == 0)
        disk.signal()
        try await running
    }

    @Test("a read that reuses a connection sees all commits before it began")
    func fresh() async throws {
        let pool = try DatabasePool(path: scratch.database)
        try await pool.write { try $0.execute(sql: "CREATE TABLE t (n)") }
        let queue = ReadQueue(pool: pool, width: 1, period: .seconds(3_600))
        let disk = DispatchSemaphore(value: 0)
        let arrived = Signal()
        async let first = queue.read(for: .anonymous) { db in
            let count = try Int.fetchOne(db, sql: "SELECT count(*) FROM t")
            arrived.give()
            disk.wait()
            return count
        }
        await arrived.wait()
        try await pool.write { try $0.execute(sql: "INSERT INTO t VALUES (1)") }
        async let second = queue.read(for: .anonymous) { try Int.fetchOne($0, sql: "SELECT count(*) FROM t") }
        await until { queue.waiting >= 1 }
        disk.signal()
        #expect(try await first == 0)
        #expect(try await second == 1)
    }

    private func refusal<Value>(_ read: () async throws -> Value) async -> JournalError? {
        do { _ = try await read() } catch { return error as? JournalError }
        return nil
    }

    private let scratch: ScratchDirectory

    init() throws {
        scratch = ScratchDirectory()
        try FileManager.default.createDirectory(atPath: scratch.path, withIntermediateDirectories: true)
    }
}
