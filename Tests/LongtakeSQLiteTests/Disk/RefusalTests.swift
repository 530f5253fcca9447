import Foundation
import GRDB
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeSQLite

/// The message for the operator if the storage cannot be opened: what is wrong, then what to do. No
/// file is changed.
@Suite("a refusal")
struct RefusalTests {
    @Test(
        "says what is wrong and what to do, and changes no file",
        arguments: [
            ("text", "not a SQLite database", "Restore a backup"),
            ("magic", "not a SQLite database", "Restore a backup"),
            ("half", "damaged", "restore a backup"), ("zeroed", "not a SQLite database", "Restore a backup"),
            ("schema", "damaged", "restore a backup"), ("foreign", "another program", "Use another directory"),
            ("newer", "newer version", "Start that one"),
            ("unfinished", "was not finished", "Run longtake restore again"),
        ])
    func files(_ kind: String, _ wrong: String, _ remedy: String) async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        for number in 1...30 { _ = try await journal.submit(Samples.submission(number)) }
        try await journal.close()
        if kind == "newer" { try scratch.execute("INSERT INTO grdb_migrations VALUES ('99-later')") }
        var bytes = try Data(contentsOf: URL(fileURLWithPath: scratch.database))
        switch kind {
        case "text": bytes = Data("hello".utf8)
        case "magic": bytes[3] ^= 0xff
        case "half": bytes = bytes.prefix(bytes.count / 2)
        case "zeroed": for index in 0..<4096 { bytes[index] = 0 }
        case "schema": for index in 100..<140 { bytes[index] = 0xff }
        case "foreign": bytes[70] ^= 0xff
        case "unfinished": try bytes.write(to: URL(fileURLWithPath: scratch.path + "/longtake.db.restoring"))
        default: break
        }
        try bytes.write(to: URL(fileURLWithPath: scratch.database))
        let text = await Self.refusal { try await scratch.open() }
        #expect(text?.contains(wrong) == true && text?.contains(remedy) == true, "\(kind): \(text ?? "opened")")
        #expect(try Data(contentsOf: URL(fileURLWithPath: scratch.database)) == bytes)
    }

    @Test("of a second daemon names the first")
    func second() async throws {
        let scratch = ScratchDirectory()
        let journal = try await scratch.open()
        let text = await Self.refusal { try await scratch.open() }
        #expect(text?.contains("another daemon") == true && text?.contains("Stop it") == true)
        try await journal.close()
    }

    @Test("names a read-only file system", .enabled(if: SmallDisk.isAvailable))
    func readOnly() async throws {
        let disk = try SmallDisk(megabytes: 16)
        let scratch = ScratchDirectory(on: disk)
        let journal = try await scratch.open()
        _ = try await journal.submit(Samples.submission(1))
        try await journal.close()
        try #require(disk.remountReadOnly())
        let text = await Self.refusal { try await scratch.open() }
        #expect(
            text?.contains("Read-only file system") == true && text?.contains("Give the daemon") == true,
            "\(text ?? "")")
        let other = ScratchDirectory(on: disk, name: "new")
        let made = await Self.refusal { try await other.open() }
        #expect(made?.contains("cannot create") == true && made?.contains("Give the daemon") == true, "\(made ?? "")")
    }

    @Test("names a directory that is a file, and a database that is a directory")
    func kinds() async throws {
        let scratch = ScratchDirectory()
        try "file".write(toFile: scratch.path, atomically: false, encoding: .utf8)
        #expect(await Self.refusal { try await scratch.open() }?.contains("Give the daemon") == true)
        let other = ScratchDirectory()
        try FileManager.default.createDirectory(atPath: other.database, withIntermediateDirectories: true)
        #expect(await Self.refusal { try await other.open() }?.contains("cannot read") == true)
    }

    /// ```
    /// first    ──holds the lock──────────────end
    /// second         begins─────waits────────────opens
    /// ```
    /// Without waiting for the lock, it is refused like the second daemon above.
    @Test("waits while a previous process is still ending")
    func instantRestart() async throws {
        let scratch = ScratchDirectory()
        let first = try await scratch.open()
        _ = try await first.submit(Samples.submission(1))
        let log = NoteLog()
        async let second = scratch.open(lockWait: .seconds(5), logger: log.logger)
        // The second daemon has tried.
        await log["another daemon still has the directory"].wait()
        try await first.close()
        let journal = try await second
        #expect(try await journal.job(Samples.submission(1).id, of: .anonymous) != nil)
        try await journal.close()
    }

    private static func refusal(_ body: () async throws -> SQLiteJournal) async -> String? {
        do {
            try await body().close()
            return nil
        } catch {
            return (error as? StorageRefusal)?.description ?? "no refusal but \(error)"
        }
    }
}
