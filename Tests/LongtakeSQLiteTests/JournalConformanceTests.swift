import LongtakeTesting
import Synchronization
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
        // The directories must outlive their journals, which open connections later.
        let directories = Mutex<[ScratchDirectory]>([])
        try await check.run(
            JournalConformance { clock, queuedJobs in
                let scratch = ScratchDirectory()
                directories.withLock { $0.append(scratch) }
                return try await scratch.open(clock, queuedJobsPerTenant: queuedJobs)
            })
        directories.withLock { $0.removeAll() }
    }
}
