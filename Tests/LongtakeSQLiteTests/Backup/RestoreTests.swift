import Foundation
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("a restore")
struct RestoreTests {
    @Test("replaces nothing unless it is told to, and then moves it aside")
    func replace() async throws {
        let (backup, scratch) = try await (Self.backup(), Self.used())
        let restore = StorageRestore(into: scratch.path, clock: ManualClock())
        let before = try Data(contentsOf: URL(fileURLWithPath: scratch.database))
        #expect(throws: StorageRefusal.self) { try restore.run(backup.file, replaces: false, inspector: .init()) }
        #expect(try Data(contentsOf: URL(fileURLWithPath: scratch.database)) == before)
        for _ in 1...2 {
            let outcome = try restore.run(backup.file, replaces: true, inspector: .init())
            let aside = try #require(outcome.replaced)
            #expect(try StorageInspector().inspect(directory: aside).isSound, "it could be used as it is")
        }
        let journal = try await scratch.open()
        #expect(try await journal.jobs(JobQuery()).jobs.map(\.id) == [Samples.submission(1).id])
        try await journal.close()
    }

    @Test("is refused while a daemon has the directory, and of a file that is no backup")
    func refused() async throws {
        let (backup, scratch) = try await (Self.backup(), ScratchDirectory())
        let journal = try await scratch.open()
        let restore = StorageRestore(into: scratch.path, clock: ManualClock())
        #expect(throws: StorageRefusal.self) { try restore.run(backup.file, replaces: true, inspector: .init()) }
        try await journal.close()
        let broken = backup.scratch.path + "/broken.db"
        let bytes = try Data(contentsOf: URL(fileURLWithPath: backup.file))
        try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: broken))
        #expect(throws: StorageRefusal.self) { try restore.run(broken, replaces: true, inspector: .init()) }
        #expect(throws: StorageRefusal.self) { try restore.run(backup.file + "x", replaces: true, inspector: .init()) }
        try await scratch.open().close()
    }

    @Test("by root gives the files to the owner of the directory", .enabled(if: geteuid() == 0))
    func owner() async throws {
        let (backup, scratch) = try await (Self.backup(), Self.used())
        try #require(chown(scratch.path, 65_534, 65_534) == 0)
        let outcome = try StorageRestore(into: scratch.path, clock: ManualClock())
            .run(backup.file, replaces: true, inspector: .init())
        for path in [scratch.database, scratch.path + "/longtake.lock", try #require(outcome.replaced)] {
            var information = stat()
            #expect(stat(path, &information) == 0 && information.st_uid == 65_534, "\(path)")
        }
    }

    /// At each step of it the power goes: what is there either starts as before, or says that the restore is to be run again.
    @Test(
        "that was cut off at any step is not begun, or is to be run again", arguments: ["copied", "moved", "log left"])
    func cutOff(_ step: String) async throws {
        let (backup, scratch) = try await (Self.backup(), Self.used())
        try FileManager.default.copyItem(atPath: backup.file, toPath: scratch.path + "/longtake.db.restoring")
        if step != "copied" {
            for name in step == "moved" ? ["", "-wal", "-shm"] : [""]
            where FileManager.default.fileExists(atPath: scratch.database + name) {
                try FileManager.default.removeItem(atPath: scratch.database + name)
            }
        }
        await #expect(throws: StorageRefusal.self) { try await scratch.open() }
        _ = try StorageRestore(into: scratch.path, clock: ManualClock()).run(
            backup.file, replaces: true, inspector: .init())
        let journal = try await scratch.open()
        #expect(try await journal.jobs(JobQuery()).jobs.map(\.id) == [Samples.submission(1).id])
        try await journal.close()
        #expect(try StorageInspector().inspect(directory: scratch.path).isSound)
    }

    /// A backup with one job, and the directory that keeps it alive.
    private static func backup() async throws -> (file: String, scratch: ScratchDirectory) {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1))
        let backups = BackupTests.backups(of: journal, scratch)
        let done = try await BackupTests.ended(try await backups.begin().id, of: backups)
        try await journal.close()
        return (done.path, scratch)
    }

    /// A directory with two jobs in it, as a crash leaves it.
    private static func used() async throws -> ScratchDirectory {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        for number in 2...3 { _ = try await journal.submit(Samples.submission(number)) }
        let crashed = try scratch.copy()
        try await journal.close()
        return crashed
    }
}
