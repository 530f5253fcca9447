import Foundation
import GRDB
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

/// `max_page_count` makes SQLite return SQLITE_FULL, as on a full disk.
@Suite("a full disk")
struct FullDiskTests {
    private static let diskFull = JournalError.cannotPersist("the disk is full")

    @Test("new work is rejected, and the end of a stage waits until there is space")
    func finalsWait() async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1))
        let claim = try #require(try await journal.claim(queue: Samples.cpu, limit: 1).claims.first)
        let second = try await journal.finish(claim, with: .succeeded(output: nil))
        #expect(second == .running)
        let last = try #require(try await journal.claim(queue: Samples.gpu, limit: 1).claims.first)
        try journal.inspectWriter { db in
            let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            _ = try Int.fetchOne(db, sql: "PRAGMA max_page_count = \(pages)")
        }
        let output = JSONValue.string(String(repeating: "x", count: 200_000))
        async let end = journal.finish(last, with: .succeeded(output: output))
        var refused = false
        do {
            _ = try await journal.submit(Samples.submission(2, prompt: String(repeating: "y", count: 60_000)))
        } catch JournalError.cannotPersist {
            refused = true
        }
        #expect(refused)
        #expect(try await journal.job(Samples.submission(2).id, of: .anonymous) == nil)
        #expect(try await journal.job(last.job, of: .anonymous)?.state == .running)
        try journal.inspectWriter { db in _ = try Int.fetchOne(db, sql: "PRAGMA max_page_count = 1000000") }
        #expect(try await end == .succeeded)
        #expect(try await journal.job(last.job, of: .anonymous)?.output == output)
        try await journal.close()
    }

    /// This test failed without the reserve: the end and the cancel waited until there was space.
    @Test(
        "the reserve is released for commands that end work, and restored when there is space",
        .enabled(if: SmallDisk.isAvailable))
    func reserve() async throws {
        let disk = try SmallDisk(megabytes: 16)
        let scratch = ScratchDirectory(on: disk)
        let journal = try await scratch.open()
        for number in 1...3 { _ = try await journal.submit(Samples.submission(number)) }
        let claims = try await journal.claim(queue: Samples.cpu, limit: 2).claims
        #expect(Self.reserveBlocks(scratch) >= 4 << 20)
        try disk.fill()
        try await Self.submitUntilRefused(journal)
        await #expect(throws: Self.diskFull) { try await journal.checkWritable() }
        await #expect(throws: Self.diskFull) { _ = try await journal.claim(queue: Samples.cpu, limit: 1) }
        #expect(Self.reserveBlocks(scratch) == 0)

        // Commands that end work are written, published, and can be read.
        let error = JobError(code: "stage_failed", message: "no", stage: claims[0].stage.name)
        #expect(try await journal.finish(claims[0], with: .failed(error)) == .failed)
        #expect(try await journal.cancel(Samples.submission(3).id, of: .anonymous)?.state == .canceled)
        #expect(try await journal.finish(claims[1], with: .succeeded(output: nil)) == .running)
        let pruned = try await journal.prune(
            Retention(age: .zero, maxBytes: nil), at: .init(millisecondsSince1970: 4_000_000_000_000))
        #expect(pruned.jobs == 2)
        #expect(try await journal.job(claims[1].job, of: .anonymous)?.state == .running)

        try disk.makeRoom()
        try await Self.eventually { try await journal.checkWritable() }
        _ = try await journal.submit(Samples.submission(9_001))
        #expect(Self.reserveBlocks(scratch) >= 4 << 20)
        try await journal.close()
        #expect(try StorageInspector().inspect(directory: scratch.path).isSound)
    }

    @Test("a start on a full disk releases the reserve first, and recovers", .enabled(if: SmallDisk.isAvailable))
    func startWithReserve() async throws {
        let disk = try SmallDisk(megabytes: 16)
        let scratch = ScratchDirectory(on: disk)
        var journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1))
        _ = try await journal.claim(queue: Samples.cpu, limit: 1)
        try await journal.close()
        try disk.fill()
        journal = try await scratch.open()
        #expect(journal.boot.recoveredStages == 1)
        #expect(try await journal.job(Samples.submission(1).id, of: .anonymous)?.state == .running)
        try disk.makeRoom()
        try await Self.eventually { try await journal.checkWritable() }
        try await journal.close()
    }

    /// This test failed when recovery was not postponed: opening threw, so the daemon would have
    /// restarted forever.
    @Test(
        "a start without even the reserve serves reads, and recovers when there is space",
        .enabled(if: SmallDisk.isAvailable))
    func startWithout() async throws {
        let disk = try SmallDisk(megabytes: 16)
        let scratch = ScratchDirectory(on: disk)
        var journal = try await scratch.open()
        for number in 1...2 { _ = try await journal.submit(Samples.submission(number)) }
        let claim = try await journal.claim(queue: Samples.cpu, limit: 1).claims[0]
        let log = try await journal.events(of: claim.job, of: .anonymous, after: .beforeFirst, limit: 100)
        try await journal.close()
        let epoch = journal.epoch
        try FileManager.default.removeItem(atPath: scratch.path + "/longtake.reserve")
        try disk.fill()

        journal = try await scratch.open(cancelPatience: .milliseconds(100))
        #expect(journal.boot.recoveredStages == nil && journal.boot.number == 2 && journal.epoch == epoch)
        #expect(try await journal.events(of: claim.job, of: .anonymous, after: .beforeFirst, limit: 100) == log)
        #expect(try await journal.jobs(JobQuery()).jobs.count == 2)
        await #expect(throws: Self.diskFull) { try await journal.checkWritable() }
        await #expect(throws: Self.diskFull) { _ = try await journal.submit(Samples.submission(3)) }
        await #expect(throws: JournalError.self, "the cancel does not wait forever") {
            _ = try await journal.cancel(Samples.submission(2).id, of: .anonymous)
        }

        try disk.makeRoom()
        try await Self.eventually { try await journal.checkWritable() }
        let again = try await journal.claim(queue: Samples.cpu, limit: 2).claims
        #expect(Set(again.map(\.job)) == [Samples.submission(1).id, Samples.submission(2).id])
        try await journal.close()
        let found = try StorageInspector().inspect(directory: scratch.path)
        #expect(found.isSound && found.boots == 2)
    }

    private static func reserveBlocks(_ scratch: ScratchDirectory) -> Int {
        var information = stat()
        return stat(scratch.path + "/longtake.reserve", &information) == 0 ? Int(information.st_blocks) * 512 : 0
    }

    private static func submitUntilRefused(_ journal: SQLiteJournal) async throws {
        do {
            for number in 100...9_000 {
                _ = try await journal.submit(Samples.submission(number, prompt: String(repeating: "y", count: 50_000)))
            }
        } catch JournalError.cannotPersist {
            return
        }
        Issue.record("the disk never became full")
    }

    private static func eventually(_ body: () async throws -> Void) async throws {
        if await !until({ (try? await body()) != nil }) { try await body() }
    }
}
