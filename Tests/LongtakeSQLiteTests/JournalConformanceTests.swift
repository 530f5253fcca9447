import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("both journals keep the contract")
struct JournalConformanceTests {
    @Test("the journal in memory keeps the contract")
    func memory() async throws {
        try await JournalConformance { MemoryJournal(clock: $0, queuedJobsPerTenant: $1) }.everything()
    }

    @Test("the journal in SQLite keeps the contract")
    func sqlite() async throws {
        try await JournalConformance { try await ScratchDirectory().open($0, queuedJobsPerTenant: $1) }.everything()
    }
}
