import Foundation
import GRDB
import GRDBSQLite
import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeSQLite

/// A disk that returns errors: acknowledged changes stay, and nothing unknown is acknowledged.
@Suite("a failing disk", .serialized)
struct DiskFaultTests {
    init() { DiskFaults.install() }

    /// A page that a statement needs cannot be read, or the page that leaves the cache for it
    /// cannot be written.
    @Test(
        "an error before COMMIT has a known outcome: the command fails, and the journal continues",
        arguments: [DiskFaults.Operation.read, .write])
    func beforeCommit(_ operation: DiskFaults.Operation) async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        let published = Published(journal)
        _ = try await journal.submit(Samples.submission(1))
        try journal.inspectWriter { db in
            // So small that a transaction writes pages before it commits.
            try db.execute(sql: "PRAGMA cache_size = 4")
            db.releaseMemory()
        }
        DiskFaults.set(.init(operations: [operation]), in: scratch.path)
        let large = Samples.submission(2, prompt: String(repeating: "x", count: 200_000))
        await #expect {
            _ = try await journal.submit(large)
        } throws: { error in
            guard case JournalError.cannotPersist = error else { return false }
            return true
        }
        #expect(DiskFaults.clear(scratch.path) > 0)
        #expect(published.jobs == [Samples.submission(1).id])
        #expect(try await journal.job(large.id, of: .anonymous) == nil)
        _ = try await journal.submit(large)
        _ = try await journal.cancel(large.id, of: .anonymous)
        try await journal.close()
        #expect(try StorageInspector().inspect(directory: scratch.path).isSound)
    }

    /// This test failed when the outcome of every COMMIT error counted as known: the response was
    /// 503, and the journal continued.
    @Test(
        "an error in COMMIT has an unknown outcome: the process must end, and no caller gets a result",
        arguments: [DiskFaults.Operation.sync, .write])
    func inCommit(_ operation: DiskFaults.Operation) async throws {
        let scratch = ScratchDirectory()
        let ends = Mutex<[String]>([])
        let journal = try await scratch.open { reason in ends.withLock { $0.append(reason) } }
        let published = Published(journal)
        _ = try await journal.submit(Samples.submission(1))
        DiskFaults.set(.init(operations: [operation], file: .wal), in: scratch.path)
        for number in 2...3 {
            await #expect {
                _ = try await journal.submit(Samples.submission(number))
            } throws: { error in
                guard case JournalError.outcomeUnknown = error else { return false }
                return true
            }
        }
        await #expect(throws: JournalError.self) { try await journal.checkWritable() }
        DiskFaults.clear(scratch.path)
        #expect(ends.withLock { $0.count } == 1)
        #expect(published.jobs == [Samples.submission(1).id])
        let crashed = try scratch.copy()
        #expect(try StorageInspector().inspect(directory: crashed.path).isSound)
        let next = try await crashed.open()
        #expect(try await next.job(Samples.submission(1).id, of: .anonymous) != nil)
        #expect(try await next.job(Samples.submission(3).id, of: .anonymous) == nil)
        try await next.close()
        try? await journal.close()
    }

    @Test(
        "a failed checkpoint loses nothing, and the next one continues",
        arguments: [DiskFaults.Operation.sync, .write])
    func checkpoint(_ operation: DiskFaults.Operation) async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        DiskFaults.set(.init(operations: [operation], file: .database, isOnce: false), in: scratch.path)
        // 8 MB, so that two checkpoints are due.
        for number in 1...40 {
            _ = try await journal.submit(Samples.submission(number, prompt: String(repeating: "x", count: 200_000)))
        }
        #expect(DiskFaults.clear(scratch.path) > 0)
        let crashed = try scratch.copy()
        #expect(try StorageInspector().inspect(directory: crashed.path).isSound)
        for number in 41...60 {
            _ = try await journal.submit(Samples.submission(number, prompt: String(repeating: "x", count: 200_000)))
        }
        try await journal.close()
        let found = try StorageInspector().inspect(directory: scratch.path)
        #expect(found.isSound && found.jobs == 60 && found.walBytes == 0)
    }

    /// Each operation on the disk fails once, one per run. After a crash the acknowledged jobs
    /// exist, published events are in the event log byte by byte, and the database is sound.
    @Test("acknowledged changes stay, whichever operation fails", arguments: [SQLITE_IOERR, SQLITE_FULL])
    func sweep(_ code: CInt) async throws {
        // All 478 operations take 50 s. The test uses one in 23 of them, or all of them with
        // LONGTAKE_EVERY_FAULT=1.
        let step = getenv("LONGTAKE_EVERY_FAULT") == nil ? 23 : 1
        var (number, hits) = (0, 0)
        while true {
            let scratch = ScratchDirectory()
            var history = RandomHistory(seed: 11)
            let isOver = Atomic(false)
            let journal = try await scratch.open(history.clock, cancelPatience: .zero) { _ in
                isOver.store(true, ordering: .relaxed)
            }
            let published = Published(journal)
            DiskFaults.set(
                .init(operations: Set(DiskFaults.Operation.allCases), after: number, code: code), in: scratch.path)
            for _ in 0..<40 where !isOver.load(ordering: .relaxed) {
                do {
                    try await history.run(1, on: journal)
                } catch {
                    hits += 1
                }
            }
            let count = DiskFaults.clear(scratch.path)
            let crashed = try scratch.copy()
            let place: Comment = "operation \(number), code \(code)"
            #expect(try StorageInspector().inspect(directory: crashed.path).violations == [], place)
            let next = try await crashed.open(history.clock)
            for (tenant, id) in history.acknowledged {
                #expect(try await next.job(id, of: tenant) != nil, place)
            }
            for event in published.events {
                let page = try await next.events(
                    of: event.job, of: event.tenant, after: EventSequence(rawValue: event.id.sequence.rawValue - 1),
                    limit: 1)
                #expect(page?.events.first?.json == event.json, place)
            }
            try await next.close()
            try? await journal.close()
            guard count > number else { break }
            number += step
        }
        #expect(number > 400 && hits > 400 / step, "\(number) operations, \(hits) errors")
    }
}

/// The events that observers got.
private final class Published: Sendable {
    private let state = Mutex<[CommittedEvent]>([])

    init(_ journal: SQLiteJournal) {
        journal.observeEvents { events in self.state.withLock { $0 += events } }
    }

    var events: [CommittedEvent] { state.withLock { $0 } }
    var jobs: Set<JobID> { Set(events.map(\.job)) }
}
