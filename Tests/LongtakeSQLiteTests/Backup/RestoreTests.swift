import Foundation
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

@Suite("a restore")
struct RestoreTests {
    @Test("replaces a database only on request, and then moves the old one aside")
    func replace() async throws {
        let (backup, scratch) = try await (Self.backup(), Self.used())
        let restore = StorageRestore(into: scratch.path, clock: ManualClock())
        let before = try Data(contentsOf: URL(fileURLWithPath: scratch.database))
        #expect(throws: StorageRefusal.self) { try restore.run(backup.file, replaces: false, inspector: .init()) }
        #expect(try Data(contentsOf: URL(fileURLWithPath: scratch.database)) == before)
        for _ in 1...2 {
            let outcome = try restore.run(backup.file, replaces: true, inspector: .init())
            let aside = try #require(outcome.replaced)
            #expect(try StorageInspector().inspect(directory: aside).isSound, "the old database is complete")
        }
        let journal = try await scratch.open()
        #expect(try await journal.jobs(JobQuery()).jobs.map(\.id) == [Samples.submission(1).id])
        try await journal.close()
    }

    @Test("is refused while a daemon uses the directory, and for a file that is no backup")
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

    /// This test failed when a lock file with a second name was accepted: root wrote “closed” into
    /// the other file.
    @Test("by root does not change the owner of a file behind a link", .enabled(if: geteuid() == 0))
    func link() async throws {
        let (backup, scratch) = try await (Self.backup(), Self.used())
        let other = backup.scratch.path + "/secret"
        try Data("a secret of root\n".utf8).write(to: URL(fileURLWithPath: other))
        try #require(chown(scratch.path, 65_534, 65_534) == 0)
        let lock = scratch.path + "/longtake.lock"
        try FileManager.default.removeItem(atPath: lock)
        try FileManager.default.linkItem(atPath: other, toPath: lock)
        let restore = StorageRestore(into: scratch.path, clock: ManualClock())
        #expect(throws: StorageRefusal.self) { try restore.run(backup.file, replaces: true, inspector: .init()) }
        var status = stat()
        #expect(stat(other, &status) == 0 && status.st_uid == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: other)) == Data("a secret of root\n".utf8))
    }

    /// The power fails at each step. Afterwards the old database starts, or the start says that the
    /// restore must run again.
    @Test(
        "interrupted at any step has not begun, or must run again", arguments: ["copied", "moved", "log left"])
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

    /// Interrupted between the database and its WAL. This test failed when each run moved files
    /// into its own directory: the WAL was in the second one, and the database in the first lacked
    /// a job.
    @Test("interrupted while moving a database aside keeps it complete when it runs again")
    func cutOffInBetween() async throws {
        let (backup, scratch) = try await (Self.backup(), Self.used())
        let copy = try scratch.copy()
        let whole = try StorageInspector().inspect(directory: copy.path)
        #expect(whole.jobs == 2 && whole.walBytes > 0)
        try FileManager.default.copyItem(atPath: backup.file, toPath: scratch.path + "/longtake.db.restoring")
        let part = scratch.path + "/replaced.part"
        try FileManager.default.createDirectory(atPath: part, withIntermediateDirectories: false)
        try FileManager.default.moveItem(atPath: scratch.database, toPath: part + "/longtake.db")
        await #expect {
            try await scratch.open()
        } throws: {
            "\($0)".contains("Run longtake restore again; the old database is in a directory beside it")
        }
        let outcome = try StorageRestore(into: scratch.path, clock: ManualClock()).run(
            backup.file, replaces: false, inspector: .init())
        let aside = try #require(outcome.replaced)
        let found = try StorageInspector().inspect(directory: aside)
        #expect(found.isSound && found.jobs == 2)
        #expect(!FileManager.default.fileExists(atPath: part))
        let journal = try await scratch.open()
        #expect(try await journal.jobs(JobQuery()).jobs.map(\.id) == [Samples.submission(1).id])
        try await journal.close()
    }

    /// This test failed when the copy had its final temporary name, which prevents starts, from its
    /// first byte on.
    @Test("whose copy fails or is interrupted prevents no start", .enabled(if: SmallDisk.isAvailable))
    func cutOffCopy() async throws {
        let disk = try SmallDisk(megabytes: 16)
        let (backup, scratch) = (try await Self.backup(), ScratchDirectory(on: disk))
        var journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(2))
        try await journal.close()
        let restore = StorageRestore(into: scratch.path, clock: ManualClock())
        try disk.fill()
        #expect {
            try restore.run(backup.file, replaces: true, inspector: .init())
        } throws: {
            "\($0)".contains("Nothing has changed")
        }
        try disk.makeRoom()
        // The files that a kill during the copy leaves.
        for name in ["longtake.db.copying", "longtake.db.copying-journal"] {
            try "half".write(toFile: scratch.path + "/" + name, atomically: false, encoding: .utf8)
        }
        journal = try await scratch.open()
        #expect(try await journal.jobs(JobQuery()).jobs.map(\.id) == [Samples.submission(2).id])
        try await journal.close()
        _ = try restore.run(backup.file, replaces: true, inspector: .init())
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path)
        #expect(
            !names.contains { $0.contains("copying") || $0.contains("restoring") || $0.contains("part") }, "\(names)")
        journal = try await scratch.open()
        #expect(try await journal.jobs(JobQuery()).jobs.map(\.id) == [Samples.submission(1).id])
        try await journal.close()
    }

    /// A backup with one job, and the directory that contains it.
    private static func backup() async throws -> (file: String, scratch: ScratchDirectory) {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1))
        let backups = BackupTests.backups(of: journal, scratch)
        let done = try await BackupTests.ended(try await backups.begin(includingFiles: false).id, of: backups)
        try await journal.close()
        return (done.path, scratch)
    }

    /// A directory with two jobs, as after a crash.
    private static func used() async throws -> ScratchDirectory {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        for number in 2...3 { _ = try await journal.submit(Samples.submission(number)) }
        let crashed = try scratch.copy()
        try await journal.close()
        return crashed
    }
}
