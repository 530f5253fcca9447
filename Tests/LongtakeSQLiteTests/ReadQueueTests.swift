import Dispatch
import Foundation
import GRDB
import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeSQLite

/// A read that does not come back from the disk must not take along those who wait for it, nor those who come later.
@Suite("the queue of reads")
struct ReadQueueTests {
    @Test("refuses who waits for too long, keeps a place for what hangs, and serves who comes when it is over")
    func hanging() async throws {
        let pool = try DatabasePool(path: scratch.database)
        // Time passes when the test says so.
        let queue = ReadQueue(pool: pool, most: 2, period: .seconds(3_600))
        let disk = DispatchSemaphore(value: 0)
        for _ in 1...2 {
            let arrived = Signal()
            async let refusal = refusal {
                try await queue.read { _ in
                    arrived.give()
                    disk.wait()
                }
            }
            await arrived.wait()
            for _ in 1...Limits.readPeriods { queue.tick() }
            #expect(await refusal == .overloaded)
        }
        // Both are refused, and both still hang: there is no place for a third.
        #expect(await refusal { try await queue.read { _ in 1 } } == .overloaded)
        for _ in 1...2 { disk.signal() }
        let deadline = ContinuousClock.now + .seconds(20)
        var answer: Int?
        while answer == nil {
            try #require(.now < deadline, "the places of those that hung were not given back")
            answer = try? await queue.read { try Int.fetchOne($0, sql: "SELECT 7") }
        }
        #expect(answer == 7)
    }

    // Seen to fail without `interrupt`: the read went on, and kept the only place.
    @Test("ends a read that computes without end when nobody waits for it any more")
    func endless() async throws {
        let pool = try DatabasePool(path: scratch.database)
        let queue = ReadQueue(pool: pool, most: 1, period: .seconds(3_600))
        let arrived = Signal()
        async let refusal = refusal {
            try await queue.read { db in
                arrived.give()
                return try Int.fetchOne(
                    db, sql: "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n")
            }
        }
        await arrived.wait()
        for _ in 1...Limits.readPeriods { queue.tick() }
        #expect(await refusal == .overloaded)
        let deadline = ContinuousClock.now + .seconds(20)
        while (try? await queue.read { try Int.fetchOne($0, sql: "SELECT 7") }) != 7 {
            try #require(.now < deadline, "the place was not given back")
        }
    }

    // Seen to hang without `tickLater` in `begin`, and without it in `tick`.
    @Test("counts the time by itself")
    func clock() async throws {
        let pool = try DatabasePool(path: scratch.database)
        let queue = ReadQueue(pool: pool, period: .milliseconds(1))
        let disk = DispatchSemaphore(value: 0)
        #expect(await refusal { try await queue.read { _ in disk.wait() } } == .overloaded)
        disk.signal()
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
