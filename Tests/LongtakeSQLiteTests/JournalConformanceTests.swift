import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("both journals keep the contract")
struct JournalConformanceTests {
    @Test("the journal in memory keeps the contract", arguments: JournalConformance.all)
    func memory(_ check: JournalConformance.Check) async throws {
        try await check.run(JournalConformance { MemoryJournal(clock: $0, queuedJobsPerTenant: $1) })
    }

    @Test("the journal in SQLite keeps the contract", arguments: JournalConformance.all)
    func sqlite(_ check: JournalConformance.Check) async throws {
        try await check.run(JournalConformance { try await ScratchDirectory().open($0, queuedJobsPerTenant: $1) })
    }
}
