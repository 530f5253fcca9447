import Dispatch
import Foundation
import GRDB
import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeSQLite

/// A connection must not be freed while a read uses it.
@Suite("closing the journal during reads", .serialized, .timeLimit(.minutes(4)))
struct JournalCloseTests {
    private let scratch = ScratchDirectory()
    private static let endless =
        "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"

    @Test("interrupts running reads, rejects waiting and new ones, and closes the connections")
    func interrupts() async throws {
        let journal = try await scratch.open()
        let arrived = Noted()
        let reads = (1...10).map { _ in
            Task {
                try await journal.inspectReader { db in
                    arrived.number.withLock { $0 += 1 }
                    return try Int.fetchOne(db, sql: Self.endless)
                }
            }
        }
        await until { !(arrived.number.withLock({ $0 }) < 2 || journal.readsWaiting < 8) }
        #expect(try await journal.close(within: .seconds(60)))
        for read in reads { await #expect(throws: JournalError.closed) { try await read.value } }
        #expect(arrived.number.withLock { $0 } == 2, "no waiting read got a connection")
        await #expect(throws: JournalError.closed) { try await journal.queues(of: nil) }
        #expect(try await journal.close(within: .zero), "a second call does nothing")
    }

    @Test("keeps the connections open if a read does not end in time")
    func held() async throws {
        let journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1))
        let (arrived, disk, noted) = (Signal(), DispatchSemaphore(value: 0), Noted())
        let ended = Signal()
        let read = Task {
            try await journal.inspectReader { db in
                arrived.give()
                disk.wait()
                defer { ended.give() }
                let count = try Int.fetchOne(db, sql: "SELECT count(*) FROM event")
                noted.number.withLock { $0 = count ?? -1 }
            }
        }
        await arrived.wait()
        #expect(try await journal.close(within: .milliseconds(1)) == false)
        await #expect(throws: JournalError.closed) { try await read.value }
        await #expect(throws: JournalError.closed) { try await journal.submit(Samples.submission(2)) }
        disk.signal()
        await ended.wait()
        #expect(noted.number.withLock { $0 } == 1)
    }

    // This test failed when the note said `closed` whatever became of the checkpoint: the epoch
    // stayed, so old cursors would have matched new events.
    @Test("after a failed last checkpoint, a WAL that is removed is noticed at the next start")
    func failedCheckpoint() async throws {
        DiskFaults.install()
        let scratch = ScratchDirectory()
        // The database itself contains the epoch.
        try await scratch.open().close()
        let journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1))
        DiskFaults.set(
            DiskFaults.Fault(operations: [.write], file: .database, isOnce: false), in: scratch.path)
        try await journal.close()
        DiskFaults.clear(scratch.path)
        let files = WALFiles(of: scratch.database)
        #expect(files.walBytes > 0)
        for file in [files.wal, files.index] { try? FileManager.default.removeItem(atPath: file) }
        let next = try await scratch.open()
        #expect(next.epoch != journal.epoch)
        try await next.close()
    }

    /// Seen to wait as long as the disk hung, before the writer's part of `close(within:)` had a
    /// limit.
    @Test("keeps the connections open if a transaction does not end in time")
    func heldWriter() async throws {
        let journal = try await scratch.open()
        let (arrived, disk, ended) = (Signal(), DispatchSemaphore(value: 0), Signal())
        let maintenance = Task {
            try await journal.maintain { _ in
                arrived.give()
                disk.wait()
            }
            ended.give()
        }
        await arrived.wait()
        #expect(try await journal.close(within: .milliseconds(1)) == false)
        await #expect(throws: StorageRefusal.self, "nobody else gets the directory") {
            _ = try await scratch.open(lockWait: .zero)
        }
        disk.signal()
        await ended.wait()
        try await maintenance.value
    }

    @Test("answers every concurrent read with its data or the error that the journal is closed", arguments: 1...20)
    func beside(_ round: Int) async throws {
        let journal = try await scratch.open()
        let job = Samples.submission(1)
        _ = try await journal.submit(job)
        let count = Noted()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 1...32 {
                group.addTask {
                    do {
                        while true {
                            let found = try await journal.job(job.id, of: .anonymous)
                            #expect(found != nil)
                            count.number.withLock { $0 += 1 }
                        }
                    } catch JournalError.closed {}
                }
            }
            await until { count.number.withLock({ $0 }) >= 20 * round }
            #expect(try await journal.close(within: .seconds(60)))
            try await group.waitForAll()
        }
    }
}

/// A number that reads set for the test.
private final class Noted: Sendable {
    let number = Mutex(0)
}
