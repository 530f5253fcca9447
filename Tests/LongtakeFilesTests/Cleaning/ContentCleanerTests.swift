import Logging
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeFiles

@Suite("the cleaner of unused content")
struct ContentCleanerTests {
    /// A cleaner over a real directory and rows in memory.
    private struct Stage {
        let scratch: StoreScratch
        let store: DirectoryFileStore
        let records = RecordsDouble()
        let clock = TestClock()
        let wallClock = ManualClock()
        let notes = Seen<String>()
        let cleaner: ContentCleaner

        init() async throws {
            scratch = try StoreScratch()
            let released = ReleasedContent()
            store = try await scratch.open { released.add($0) }
            let notes = notes
            cleaner = ContentCleaner(
                store: store, records: records, released: released, clock: clock, wallClock: wallClock,
                logger: Logger(label: "test") { _ in NoteHandler(notes) })
        }

        /// Stores content that a row refers to.
        func register(_ bytes: [UInt8]) async throws -> ContentKey {
            let kept = try await store.put(bytes)
            let key = store.key(kept)
            records.edit { $0.used.insert(key) }
            return key
        }

        func isStored(_ key: ContentKey) async throws -> Bool { try await store.bytes(key) != nil }

        func whileRunning(_ body: () async throws -> Void) async throws {
            async let run: Void = cleaner.run()
            do {
                try await body()
                clock.close()
                records.edit { $0.error = JournalError.closed }
                cleaner.wake()
                await run
            } catch {
                records.edit { $0.error = JournalError.closed }
                cleaner.wake()
                clock.close()
                throw error
            }
        }
    }

    private struct NoteHandler: LogHandler {
        let notes: Seen<String>
        var logLevel = Logger.Level.info
        var metadata: Logger.Metadata = [:]

        init(_ notes: Seen<String>) { self.notes = notes }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { nil }
            set {}
        }

        func log(event: LogEvent) { notes.add("\(event.message)") }
    }

    @Test("removes content at once when its last row was deleted, and keeps the other content")
    func deletion() async throws {
        let stage = try await Stage()
        let (gone, stays) = (try await stage.register([1]), try await stage.register([2]))
        try await stage.whileRunning { () async throws in
            stage.records.deleteRow(gone)
            stage.cleaner.wake()
            #expect(try await until { try await !stage.isStored(gone) })
            #expect(await until { stage.records.unused.isEmpty })
            #expect(try await stage.isStored(stays))
        }
    }

    @Test("removes content that was stored and never registered")
    func unregistered() async throws {
        let stage = try await Stage()
        try await stage.whileRunning { () async throws in
            var kept: (any KeptContent)? = try await stage.store.put([3])
            let key = stage.store.key(kept!)
            kept = nil
            #expect(kept == nil)
            #expect(try await until { try await !stage.isStored(key) })
        }
    }

    @Test("removes orphans of an earlier process, and nothing that is used or kept")
    func orphans() async throws {
        let stage = try await Stage()
        let used = try await stage.register([4])
        let kept = try await stage.store.put([5])
        // Another store on the same directory stands for the earlier process.
        let earlier = try await stage.scratch.open()
        let orphan = earlier.key(try await earlier.put([6]))
        try await stage.whileRunning { () async throws in
            #expect(try await until { try await !stage.isStored(orphan) })
            #expect(try await stage.isStored(used))
            #expect(try await stage.isStored(stage.store.key(kept)))
        }
        #expect(stage.notes.list.contains("removed files that no row refers to"))
    }

    @Test("removes nothing while it is paused, and everything after the last resume")
    func pause() async throws {
        let stage = try await Stage()
        let key = try await stage.register([7])
        try await stage.whileRunning { () async throws in
            // The first pass is over.
            #expect(await until { stage.records.lastEnd != nil })
            await stage.cleaner.pause()
            await stage.cleaner.pause()
            stage.records.deleteRow(key)
            stage.cleaner.wake()
            let checks = stage.records.checks
            #expect(await until { stage.records.checks > checks })
            stage.cleaner.resume()
            stage.cleaner.wake()
            let more = stage.records.checks
            #expect(await until { stage.records.checks > more })
            #expect(try await stage.isStored(key))
            stage.cleaner.resume()
            #expect(try await until { try await !stage.isStored(key) })
        }
    }

    @Test("removes expired rows at intervals, and their content")
    func expiry() async throws {
        let stage = try await Stage()
        let (first, second) = (try await stage.register([8]), try await stage.register([9]))
        try await stage.whileRunning { () async throws in
            #expect(await until { stage.records.lastEnd != nil })
            await stage.clock.sleepers(2)
            stage.records.edit { $0.expired = [first, second] }
            stage.wallClock.advance(by: .seconds(60))
            stage.clock.advance(by: .seconds(60))
            #expect(try await until { try await !stage.isStored(first) })
            #expect(try await until { try await !stage.isStored(second) })
            let end = stage.wallClock.now().advanced(by: .zero - .seconds(24 * 3600))
            #expect(stage.records.lastEnd == end)
        }
    }

    @Test("removes nothing while the rows cannot be read, logs that once, and retries")
    func unreadable() async throws {
        struct Unreadable: Error {}
        let stage = try await Stage()
        let key = try await stage.register([10])
        stage.records.edit { $0.error = Unreadable() }
        stage.records.deleteRow(key)
        try await stage.whileRunning { () async throws in
            // The pass, the comparison, and the timer of the expiry.
            await stage.clock.sleepers(3)
            stage.clock.advance(by: .seconds(1))
            await stage.clock.sleepers(3)
            #expect(try await stage.isStored(key))
            stage.records.edit { $0.error = nil }
            stage.clock.advance(by: .seconds(2))
            #expect(try await until { try await !stage.isStored(key) })
            #expect(await until { stage.notes.list.contains("unused files are removed again") })
        }
        // The pass and the comparison each log their own first failure.
        #expect(stage.notes.list.count { $0.hasPrefix("unused files cannot be removed") } == 2)
    }

    @Test("ends without a removal when the outcome of a commit is unknown")
    func unknownOutcome() async throws {
        let stage = try await Stage()
        let key = try await stage.register([11])
        stage.records.deleteRow(key)
        stage.records.edit { $0.error = JournalError.outcomeUnknown("the disk failed") }
        await stage.cleaner.run()
        #expect(try await stage.isStored(key))
    }
}
