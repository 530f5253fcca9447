import Foundation
import LongtakeCore
import LongtakeTesting
import Synchronization
import Testing

@testable import LongtakeFiles

@Suite("a crash at any step")
struct CrashTests {
    /// What the store has promised to keep, by its key.
    private final class Promises: Sendable {
        private let state = Mutex<[ContentKey: [UInt8]]>([:])
        var all: [ContentKey: [UInt8]] { state.withLock { $0 } }
        func add(_ key: ContentKey, _ bytes: [UInt8]) { state.withLock { $0[key] = bytes } }
        func end(_ key: ContentKey) { state.withLock { $0[key] = nil } }
    }

    private struct Image {
        let path: String
        let promised: [ContentKey: [UInt8]]
    }

    @Test(
        "keeps what was returned, and leaves nothing torn and no unfinished file",
        arguments: DiskRecorder.Crash.allCases)
    func anyStep(crash: DiskRecorder.Crash) async throws {
        let scratch = try StoreScratch()
        try FileManager.default.createDirectory(atPath: scratch.path + "/files", withIntermediateDirectories: true)
        let recorder = DiskRecorder(root: scratch.path + "/files")
        let promises = Promises()
        let images = Mutex<[Image]>([])
        let probe = recorder.probe {
            images.withLock { images in
                let path = scratch.path + "/image-\(images.count)"
                try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                do { try recorder.image(crash, at: path + "/files") } catch { Issue.record(error) }
                images.append(Image(path: path, promised: promises.all))
            }
        }
        try await Self.work(try await scratch.open(probe: probe), scratch, promises)
        let all = images.withLock { $0 }
        #expect(all.count > 60)
        #expect(all.contains { $0.promised.count == 3 })
        for image in all { try await Self.check(image) }
    }

    private static func work(
        _ store: DirectoryFileStore, _ scratch: StoreScratch, _ promises: Promises
    ) async throws {
        let bob = TenantName(unchecked: "bob")
        let puts: [([UInt8], TenantName)] = [
            ([1, 2, 3], alice), ([4, 5], alice), ([1, 2, 3], bob), ([1, 2, 3], alice),
        ]
        for (bytes, tenant) in puts {
            let kept = try await store.put(bytes, for: tenant)
            promises.add(store.key(kept, of: tenant), bytes)
        }
        let abandoned = try await store.draft(for: alice)
        try await abandoned.write([6, 6])
        let path = try scratch.file("source", [4, 5])
        _ = try await withFile(path) { try await store.copy(of: $0, for: alice, limit: 10) }
        let key = store.key(try await store.put([4, 5]))
        promises.end(key)
        _ = try await store.remove(key) { true }
        await abandoned.discard()
    }

    private static func check(_ image: Image) async throws {
        let store = try await DirectoryFileStore.open(directory: image.path + "/files")
        for (key, bytes) in image.promised { #expect(try await store.bytes(key) == bytes) }
        let whole = [[1, 2, 3], [4, 5]] as [[UInt8]]
        for try await (key, _) in store.list() {
            let bytes = try #require(try await store.bytes(key))
            #expect(whole.contains(bytes), "\(bytes) is stored under a final name")
        }
        let drafts = image.path + "/files/drafts"
        let boots = try FileManager.default.contentsOfDirectory(atPath: drafts)
        #expect(boots.count == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: drafts + "/" + boots[0]).isEmpty)
    }
}

@Suite("a disk that fails")
struct FailingDiskTests {
    private static let failure = FileStoreError.failed("the disk failed")

    /// Refuses the steps that `matches` selects, while `isBroken` is set.
    private static func probe(
        _ isBroken: Switch, _ steps: Seen<DiskStep>, _ matches: @escaping @Sendable (DiskStep) -> Bool
    ) -> DiskProbe {
        DiskProbe(before: { step throws(FileStoreError) in
            steps.add(step)
            if isBroken.isOn, matches(step) { throw failure }
        })
    }

    private final class Switch: Sendable {
        private let state = Mutex(false)
        var isOn: Bool { state.withLock { $0 } }
        func set(_ isOn: Bool) { state.withLock { $0 = isOn } }
    }

    @Test("drops a draft whose sync failed, syncs it never again, and accepts the content later")
    func file() async throws {
        let scratch = try StoreScratch()
        let (isBroken, steps, released) = (Switch(), Seen<DiskStep>(), Seen<ContentKey>())
        let probe = Self.probe(isBroken, steps) { if case .syncFile = $0 { true } else { false } }
        let store = try await scratch.open(probe: probe) { released.add($0) }
        isBroken.set(true)
        await #expect(throws: Self.failure) { try await store.put([1]) }
        #expect(try scratch.drafts().isEmpty)
        #expect(try await store.all().isEmpty)
        #expect(released.list.count == 1)
        #expect(steps.list.count { if case .syncFile = $0 { true } else { false } } == 1)
        isBroken.set(false)
        _ = try await store.put([1])
        #expect(try await store.all().count == 1)
    }

    @Test("removes new content whose directory cannot be synced, and does not trust the directory again")
    func directory() async throws {
        let scratch = try StoreScratch()
        let (isBroken, steps, released) = (Switch(), Seen<DiskStep>(), Seen<ContentKey>())
        let probe = Self.probe(isBroken, steps) { if case .syncDirectory = $0 { true } else { false } }
        let store = try await scratch.open(probe: probe) { released.add($0) }
        isBroken.set(true)
        await #expect(throws: Self.failure) { try await store.put([1]) }
        #expect(try await store.all().isEmpty)
        #expect(try scratch.drafts().isEmpty)
        #expect(released.list.count == 1)
        isBroken.set(false)
        await #expect(throws: FileStoreError.self) { try await store.put([1]) }
        // Other directories still work.
        _ = try await store.put([2])
        // The next start examines the disk again.
        let next = try await scratch.open()
        _ = try await next.put([1])
    }

    @Test("replaces known content that cannot be synced by the new bytes")
    func known() async throws {
        let scratch = try StoreScratch()
        let (isBroken, steps) = (Switch(), Seen<DiskStep>())
        let probe = Self.probe(isBroken, steps) { _ in
            // Only the first sync fails: that of the stored file.
            isBroken.isOn && steps.list.count { if case .syncFile = $0 { true } else { false } } == 2
                && { if case .syncFile = steps.list.last { true } else { false } }()
        }
        let store = try await scratch.open(probe: probe)
        let key = store.key(try await store.put([1]))
        let before = try information(scratch.path(of: key)).st_ino
        isBroken.set(true)
        _ = try await store.put([1])
        #expect(try information(scratch.path(of: key)).st_ino != before)
        #expect(try await store.bytes(key) == [1])
    }

    @Test("drops a draft whose bytes cannot be written")
    func write() async throws {
        let scratch = try StoreScratch()
        let (isBroken, steps) = (Switch(), Seen<DiskStep>())
        let probe = Self.probe(isBroken, steps) { if case .write = $0 { true } else { false } }
        let store = try await scratch.open(probe: probe)
        let draft = try await store.draft(for: alice)
        try await draft.write([1])
        isBroken.set(true)
        await #expect(throws: Self.failure) { try await draft.write([2]) }
        isBroken.set(false)
        await #expect(throws: FileStoreError.self) { try await draft.keep() }
        #expect(await until { (try? scratch.drafts().isEmpty) == true })
    }
}
