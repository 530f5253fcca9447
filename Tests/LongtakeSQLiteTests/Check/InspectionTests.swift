import Foundation
import GRDB
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("an inspection", .serialized)
struct InspectionTests {
    @Test("finds no violation after a crash at any time, and changes no file", arguments: [1, 2, 3] as [UInt64])
    func sound(_ seed: UInt64) async throws {
        let scratch = ScratchDirectory()
        var history = RandomHistory(seed: seed)
        var journal = try await scratch.open(history.clock)
        for round in 1...8 {
            try await history.run(60, on: journal)
            let crashed = try scratch.copy()
            let before = try crashed.contents()
            let found = try StorageInspector().inspect(directory: crashed.path)
            #expect(found.violations == [], "seed \(seed), round \(round)")
            #expect(found.isSound && found.events > 0 && found.jobs > 0 && found.walBytes > 0)
            // SQLite rebuilds the index of the WAL, which contains no data
            // (sqlite.org/walformat.html §1.2).
            let after = try crashed.contents()
            #expect(after.keys.sorted() == before.keys.sorted(), "it leaves no file behind")
            for (name, bytes) in before where !name.hasSuffix("-shm") { #expect(after[name] == bytes, "\(name)") }
            if round % 2 == 0 {
                _ = try await journal.prune(
                    Retention(age: .seconds(30), maxBytes: nil), at: history.clock.now(), rows: 9)
            }
            if round % 3 == 0 {
                try await journal.close()
                journal = try await scratch.open(history.clock)
                history.forgetClaims()
            }
        }
        try await journal.close()
        let before = try scratch.contents()
        #expect(try StorageInspector().inspect(directory: scratch.path).isSound)
        let after = try scratch.contents()
        #expect(after.keys.sorted() == before.keys.sorted(), "it leaves no file behind")
        for (name, bytes) in before where !name.hasSuffix("-shm") { #expect(after[name] == bytes, "\(name)") }
    }

    @Test("is refused while a daemon uses the database, and if there is none")
    func refused() async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        #expect(throws: StorageRefusal.self) { try StorageInspector().inspect(directory: scratch.path) }
        try await journal.close()
        #expect(try StorageInspector().inspect(directory: scratch.path).isSound)
        #expect(throws: StorageRefusal.self) { try StorageInspector().inspect(directory: scratch.path + "/none") }
    }

    /// Each case violates its invariant and no other, if that is possible.
    @Test("finds each violated invariant", arguments: BrokenDatabase.all)
    func finds(_ broken: BrokenDatabase) async throws {
        let scratch = try await BrokenDatabase.sound()
        try broken.make(in: scratch)
        let found = try StorageInspector().inspect(directory: scratch.path)
        #expect(found.counts[broken.invariant.rawValue, default: 0] > 0, "\(broken.sql): \(found.counts)")
        #expect(!found.isSound)
        #expect(found.violations.allSatisfy { !$0.detail.isEmpty })
        if broken.isAboutAJob {
            #expect(found.violations.contains { $0.invariant == broken.invariant && JobID($0.job ?? "") != nil })
        }
    }

    @Test("every invariant has a case above")
    func complete() {
        #expect(Set(BrokenDatabase.all.map(\.invariant)).union([.integrity]) == Set(Invariant.allCases))
    }

    @Test("reports a damaged file, and stops there")
    func damaged() async throws {
        let scratch = try await BrokenDatabase.sound()
        let queue = try DatabaseQueue(path: scratch.database)
        let root = try await queue.read {
            try Int.fetchOne($0, sql: "SELECT rootpage FROM sqlite_master WHERE name = 'job_by_tenant'")
        }
        try queue.close()
        var bytes = try Data(contentsOf: URL(fileURLWithPath: scratch.database))
        // The number of cells in an index page (sqlite.org/fileformat2.html §1.6).
        bytes[(try #require(root) - 1) * 4096 + 4] ^= 0x01
        try bytes.write(to: URL(fileURLWithPath: scratch.database))
        let found = try StorageInspector().inspect(directory: scratch.path)
        #expect(found.counts.keys.sorted() == ["integrity"])
        #expect(!found.hasExamined(.wholeLog))
    }

    @Test("recognizes an older and a newer schema")
    func schema() async throws {
        let scratch = try await BrokenDatabase.sound()
        try scratch.execute(
            """
            \(ScratchDirectory.withoutFiles);
            DROP INDEX job_by_finish; DROP TABLE deletion; ALTER TABLE queue DROP COLUMN paused;
            DELETE FROM grdb_migrations WHERE identifier >= '3'
            """)
        let older = try StorageInspector().inspect(directory: scratch.path)
        #expect(older.schemaAge == .older && older.isSound)
        try scratch.execute("INSERT INTO grdb_migrations VALUES ('99-later')")
        let newer = try StorageInspector().inspect(directory: scratch.path)
        #expect(newer.schemaAge == .newer && !newer.isSound)
    }

    @Test("counts violations that it does not list")
    func bounded() async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        for number in 1...120 { _ = try await journal.submit(Samples.submission(number)) }
        try await journal.close()
        try scratch.execute("UPDATE event SET seq = 2")
        let found = try StorageInspector().inspect(directory: scratch.path)
        #expect(found.counts["whole_log"] == 120)
        #expect(found.violations.count == StorageInspection.violationsKept)
    }
}
