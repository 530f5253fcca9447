import GRDB
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

/// `max_page_count` makes SQLite answer SQLITE_FULL where a real disk would.
@Suite("a full disk")
struct FullDiskTests {
    @Test("new work is refused, and the end of a stage waits until there is room")
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
}
