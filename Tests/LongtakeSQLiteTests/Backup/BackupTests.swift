import Foundation
import GRDB
import Logging
import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeSQLite

@Suite("a backup", .serialized)
struct BackupTests {
    /// ```
    /// writer   ──submit──submit──submit──submit──submit──submit──
    /// backup          begin───────────────────done
    /// ```
    @Test("made under load has the state of one commit, and a new epoch")
    func duringWrites() async throws {
        let scratch = ScratchDirectory()
        let clock = ManualClock()
        let journal = try await scratch.open(clock)
        let backups = Self.backups(of: journal, scratch, clock)
        for number in 1...300 { _ = try await journal.submit(Samples.submission(number)) }
        _ = try await journal.claim(queue: Samples.cpu, limit: 2)
        let begun = try await backups.begin(includingFiles: false)
        #expect(begun.state == .running && begun.finishedAt == nil)
        for number in 301...600 { _ = try await journal.submit(Samples.submission(number)) }
        let done = try await Self.ended(begun.id, of: backups)
        #expect(done.state == .done && done.error == nil && done.finishedAt != nil)
        #expect(try await backups.backups() == [done])
        #expect(SyncedFile.bytes(of: done.path) == done.bytes)
        var mode = stat()
        #expect(stat(done.path, &mode) == 0 && mode.st_mode & 0o777 == 0o600)
        #expect(try Self.files(scratch) == ["\(done.id).db"])

        let found = try StorageInspector().inspect(file: done.path)
        #expect(found.isSound && (300...600).contains(found.jobs))
        #expect(found.epoch != journal.epoch.description && Epoch(found.epoch) != nil)

        let other = ScratchDirectory()
        let outcome = try StorageRestore(into: other.path, clock: clock).run(
            done.path, replaces: false, inspector: StorageInspector())
        #expect(outcome.inspection == found && outcome.replaced == nil)
        let restored = try await other.open(clock)
        #expect(restored.epoch.description != found.epoch && restored.epoch != journal.epoch)
        #expect(restored.boot.recoveredStages == 2, "jobs that ran during the backup continue")
        // Each event log is a prefix of the original one, except for the epoch in its ids.
        for number in 1...Int(found.jobs) {
            let id = Samples.submission(number).id
            let (old, new) = (try await Self.log(of: id, in: journal), try await Self.log(of: id, in: restored))
            #expect(!new.isEmpty && old.starts(with: new))
        }
        let again = try await restored.claim(queue: Samples.cpu, limit: 2).claims
        #expect(Set(again.map(\.job)) == [Samples.submission(1).id, Samples.submission(2).id])
        let next = try await restored.submit(Samples.submission(9_999)).job
        #expect(next?.state == .queued)
        try await restored.close()
        try await journal.close()
        #expect(try StorageInspector().inspect(directory: other.path).isSound)
    }

    @Test("runs alone, and ends with the daemon")
    func oneAtATime() async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        let text = String(repeating: "x", count: 60_000)
        for number in 1...400 { _ = try await journal.submit(Samples.submission(number, prompt: text)) }
        let backups = Self.backups(of: journal, scratch)
        let begun = try await backups.begin(includingFiles: false)
        await #expect(throws: BackupRunning(begun.id)) { _ = try await backups.begin(includingFiles: false) }
        await backups.stop()
        let ended = try #require(try await backups.backup(begun.id))
        #expect(ended.state == .failed && ended.error == "the daemon stopped", "\(ended)")
        await #expect(throws: JournalError.closed) { _ = try await backups.begin(includingFiles: false) }
        #expect(try Self.files(scratch) == [])
        try await journal.close()
    }

    /// This test failed without `mayGoOn` in `BackupCopy`: both backups succeeded.
    @Test(
        "fails with a reason if it takes too long or lets the WAL grow too far",
        arguments: [
            (BackupCopy.Bounds(timeLimit: .zero), "longer than 0 seconds"), (.init(walBytes: -1), "grew by 0 bytes"),
        ])
    func bounds(_ bounds: BackupCopy.Bounds, _ reason: String) async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        for number in 1...100 { _ = try await journal.submit(Samples.submission(number)) }
        let path = scratch.path + "/copy.db"
        #expect {
            _ = try BackupCopy(of: scratch.database, to: path, bounds: bounds).copyRows()
        } throws: {
            "\($0)".contains(reason)
        }
        #expect(try scratch.contents().keys.allSatisfy { !$0.contains("copy") })
        let copy = try BackupCopy(of: scratch.database, to: path)
        try copy.copyRows()
        #expect(try copy.publish() > 0)
        try await journal.close()
    }

    @Test("is removed at the start if a crash interrupted it")
    func leftovers() async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        let directory = scratch.path + "/backups"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for name in ["backup-20261121T114502123Z.db.part", "backup-20261121T114502123Z.db.part-journal", "notes.txt"] {
            try "half".write(toFile: directory + "/" + name, atomically: false, encoding: .utf8)
        }
        let backups = Self.backups(of: journal, scratch)
        #expect(try await backups.backups() == [], "the list is returned after the removal")
        #expect(try Self.files(scratch) == ["notes.txt"])
        try await journal.close()
    }

    @Test("fails clearly on a full disk, and the database continues", .enabled(if: SmallDisk.isAvailable))
    func fullDisk() async throws {
        let disk = try SmallDisk(megabytes: 16)
        let scratch = ScratchDirectory(on: disk)
        let journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1))
        let backups = Self.backups(of: journal, scratch)
        let failed = try await Self.ended(try await backups.begin(includingFiles: false).id, of: backups)
        #expect(failed.state == .failed && failed.error?.contains("free") == true)
        #expect(try Self.files(scratch) == [])
        _ = try await journal.submit(Samples.submission(2))
        try await journal.close()
    }

    @Test("fails if the disk fails, and the database continues")
    func failingDisk() async throws {
        DiskFaults.install()
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1))
        let backups = Self.backups(of: journal, scratch)
        DiskFaults.set(.init(operations: [.write], after: 3), in: scratch.path + "/backups")
        let failed = try await Self.ended(try await backups.begin(includingFiles: false).id, of: backups)
        DiskFaults.clear(scratch.path + "/backups")
        #expect(failed.state == .failed && failed.error != nil)
        #expect(try Self.files(scratch) == [])
        _ = try await journal.submit(Samples.submission(2))
        let done = try await Self.ended(try await backups.begin(includingFiles: false).id, of: backups)
        #expect(done.state == .done)
        #expect(try await backups.backups().map(\.id) == [done.id, failed.id])
        try await journal.close()
    }

    /// As many requests as the cooperative pool has threads, which is one per core, would stop the
    /// daemon.
    ///
    /// This test failed when the caller's task read the directory: the test hung.
    @Test("gets an error in time if its disk hangs, blocks no other thread, and works again with the disk")
    func hangingDisk() async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1))
        let files = HangingFiles()
        let backups = SQLiteBackups(
            journal: journal, directory: scratch.path + "/backups", clock: ManualClock(), files: files,
            patience: .milliseconds(200), logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        #expect(try await backups.backups() == [])
        files.hang()
        await withTaskGroup { group in
            for number in 1...64 {
                group.addTask {
                    await #expect(throws: BackupsUnanswered.self) {
                        switch number % 3 {
                        case 0: _ = try await backups.begin(includingFiles: false)
                        case 1: _ = try await backups.backup(BackupID(at: Timestamp(millisecondsSince1970: 0)))
                        default: _ = try await backups.backups()
                        }
                    }
                }
            }
        }
        #expect(try await journal.submit(Samples.submission(2)).job != nil)
        files.resume()
        let deadline = ContinuousClock.now + .seconds(30)
        var begun: Backup?
        while begun == nil, .now < deadline { begun = try? await backups.begin(includingFiles: false) }
        let id = try #require(begun?.id)
        #expect(try await Self.ended(id, of: backups).state == .done)
        #expect(
            try await backups.backups().map(\.id) == [id], "a request that got an error has begun no backup")
        try await journal.close()
    }

    @Test("an id parses its own text and no other text")
    func ids() {
        let id = BackupID(at: Timestamp(millisecondsSince1970: 1_795_176_000_118))
        #expect(id.description == "backup-20261120T120000118Z")
        #expect(BackupID(id.description) == id)
        for text in [
            "", "backup-", "backup-20261320T120000118Z", "backup-20261120T120000118Z.db",
            "../backup-20261120T120000118Z",
        ] {
            #expect(BackupID(text) == nil, "\(text)")
        }
    }

    static func backups(
        of journal: SQLiteJournal, _ scratch: ScratchDirectory, _ clock: any WallClock = ManualClock()
    ) -> SQLiteBackups {
        SQLiteBackups(
            journal: journal, directory: scratch.path + "/backups", clock: clock,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    static func ended(_ id: BackupID, of backups: SQLiteBackups) async throws -> Backup {
        try await until { try await backups.backup(id)?.state != .running }
        return try #require(try await backups.backup(id))
    }

    private static func files(_ scratch: ScratchDirectory) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/backups").sorted()
    }

    private static func log(of id: JobID, in journal: SQLiteJournal) async throws -> [String] {
        let page = try await journal.events(of: id, of: .anonymous, after: .beforeFirst, limit: 1_000)
        return page?.events.map { "\($0.id.sequence) \($0.type) \($0.at) \($0.payload)" } ?? []
    }
}

/// A disk that a test can make hang.
private final class HangingFiles: BackupFiles {
    private let disk = DiskFiles()
    private let state = Mutex((isHanging: false, held: [DispatchSemaphore]()))

    func hang() { state.withLock { $0.isHanging = true } }

    func resume() {
        let held = state.withLock { state in
            defer { state = (false, []) }
            return state.held
        }
        for caller in held { caller.signal() }
    }

    private func wait() {
        let gate = DispatchSemaphore(value: 0)
        let isHeld = state.withLock { state in
            if state.isHanging { state.held.append(gate) }
            return state.isHanging
        }
        if isHeld { gate.wait() }
    }

    func makeDirectory(_ path: String) throws {
        wait()
        try disk.makeDirectory(path)
    }

    func names(in directory: String) -> [String] {
        wait()
        return disk.names(in: directory)
    }

    func status(of path: String) -> (bytes: Int64, changedAt: Timestamp)? {
        wait()
        return disk.status(of: path)
    }

    func remove(_ path: String) { disk.remove(path) }
}
