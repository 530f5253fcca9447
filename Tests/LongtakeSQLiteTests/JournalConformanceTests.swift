import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("both journals satisfy their protocols")
struct JournalConformanceTests {
    @Test("the journal in memory satisfies the protocols", arguments: JournalConformance.all)
    func memory(_ check: JournalConformance.Check) async throws {
        try await check.run(JournalConformance { MemoryJournal(clock: $0, queuedJobsPerTenant: $1) })
    }

    @Test("the journal in SQLite satisfies the protocols", arguments: JournalConformance.all)
    func sqlite(_ check: JournalConformance.Check) async throws {
        try await check.run(JournalConformance { try await ScratchDirectory().open($0, queuedJobsPerTenant: $1) })
    }
}
