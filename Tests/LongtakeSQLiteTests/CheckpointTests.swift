import Foundation
import GRDB
import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeSQLite

@Suite("checkpoints")
struct CheckpointTests {
    @Test("are due each time the WAL has grown by a step, and wait for readers once it is long")
    func plan() {
        var plan = CheckpointPlan()
        let (step, long) = (CheckpointPlan.step, CheckpointPlan.long)
        #expect(plan.due(at: step) == nil)
        #expect(plan.due(at: step + 1) == .passive)
        #expect(plan.due(at: step + 2) == nil, "if readers hold the WAL, a checkpoint does not run at every commit")
        #expect(plan.due(at: 2 * step + 2) == .passive)
        #expect(plan.due(at: 3) == nil)
        #expect(plan.due(at: step + 1) == .passive, "a restarted WAL counts from its beginning")
        #expect(plan.due(at: long + 1) == .truncate)
        #expect(plan.due(at: long + 2) == nil)
        #expect(plan.due(at: long + step + 2) == .truncate)
    }

    /// ```
    /// reader A   ──begin──read───────────────────end   begin──read── …
    /// reader B   …─────────────end   begin──read─────────────────end
    /// ```
    @Test("keep the WAL small while there is always a reader")
    func readers() async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        let relay = try ReaderRelay(scratch.database)
        let log = LogFile(scratch.database + "-wal")
        async let reading: Void = relay.run()
        // Otherwise the relay would never end if a submission fails.
        defer { relay.stop() }
        // 200 MB in all.
        let prompt = String(repeating: "x", count: 100_000)
        try await withThrowingTaskGroup(of: Void.self) { writers in
            for writer in 0..<8 {
                writers.addTask {
                    for number in 1...250 {
                        do {
                            _ = try await journal.submit(Samples.submission(writer * 250 + number, prompt: prompt))
                        } catch JournalError.cannotPersist, JournalError.unanswered {
                            // A busy disk may take longer than the journal waits.
                            await pauseBriefly()
                        }
                        try log.measure()
                    }
                }
            }
            try await writers.waitForAll()
        }
        relay.stop()
        try await reading
        // The limit is 64 MB. It is exceeded by the pages that are written until a reader ends.
        #expect(log.longest < 128 << 20)
        try await journal.close()
    }

    /// A killed process leaves its WAL to the next process, which continues it.
    @Test("keep the WAL small over boots that are killed")
    func killed() async throws {
        var scratch = ScratchDirectory()
        let prompt = String(repeating: "x", count: 100_000)
        var longest = 0
        for boot in 0..<12 {
            let journal = try await scratch.open()
            // 3 MB: in one boot, no checkpoint is due.
            for number in 1...30 {
                _ = try await journal.submit(Samples.submission(boot * 30 + number, prompt: prompt))
            }
            let log = LogFile(scratch.database + "-wal")
            try log.measure()
            longest = max(longest, log.longest)
            let killed = try scratch.copy()
            try await journal.close()
            scratch = killed
        }
        // Two steps of 4 MB, and the transaction that exceeds the second step.
        #expect(longest < 10 << 20, "\(longest)")
        #expect(try StorageInspector().inspect(directory: scratch.path).jobs == 360)
    }
}

/// Two connections that read in turn. The next read begins before the last one ends.
private final class ReaderRelay: Sendable {
    private let readers: [DatabaseQueue]
    private let isStopped = Atomic(false)

    init(_ path: String) throws {
        var settings = Configuration()
        settings.readonly = true
        settings.allowsUnsafeTransactions = true
        readers = try [0, 1].map { _ in try DatabaseQueue(path: path, configuration: settings) }
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    /// Not on the cooperative pool, because the journal's callers need its threads.
    func run() async throws {
        try await withCheckedThrowingContinuation { caller in
            DispatchQueue.global().async { caller.resume(with: Result { try self.read() }) }
        }
    }

    private func read() throws {
        var turn = 0
        while !isStopped.load(ordering: .relaxed) {
            try readers[turn % 2].writeWithoutTransaction { db in
                try db.beginTransaction(.deferred)
                _ = try Int.fetchOne(db, sql: "SELECT count(*) FROM meta")
            }
            turn += 1
            try readers[turn % 2].writeWithoutTransaction { if $0.isInsideTransaction { try $0.rollback() } }
            // About as long as a page of a list.
            try readers[(turn + 1) % 2].writeWithoutTransaction { db in
                _ = try Int.fetchOne(
                    db,
                    sql:
                        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 20000) SELECT max(n) FROM n"
                )
            }
        }
        for reader in readers { try reader.close() }
    }
}

/// The largest size that a file has had.
private final class LogFile: Sendable {
    private let path: String
    private let size = Mutex(0)

    init(_ path: String) { self.path = path }

    var longest: Int { size.withLock { $0 } }

    func measure() throws {
        let now = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
        size.withLock { $0 = max($0, now) }
    }
}
