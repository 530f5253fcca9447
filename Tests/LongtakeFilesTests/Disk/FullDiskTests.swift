import Foundation
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeFiles

/// A file system of a few megabytes in memory, which the test removes at its end. Mounting it needs
/// root.
final class SmallDisk: Sendable {
    let path: String

    struct CannotMount: Error {}

    init(megabytes: Int) throws {
        path = NSTemporaryDirectory() + "longtake-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(megabytes)m") == 0 else {
            try? FileManager.default.removeItem(atPath: path)
            throw CannotMount()
        }
    }

    deinit {
        umount2(path, CInt(MNT_DETACH))
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Whether this machine allows mounts.
    static let isAvailable: Bool = (try? SmallDisk(megabytes: 1)) != nil
}

@Suite("a full disk", .enabled(if: SmallDisk.isAvailable))
struct FullDiskTests {
    @Test("fails a draft with `full`, removes it, and works again when there is space")
    func draft() async throws {
        let disk = try SmallDisk(megabytes: 4)
        let store = try await DirectoryFileStore.open(directory: disk.path + "/files")
        await #expect(throws: FileStoreError.full) { try await store.put(Contents.bytes(5 << 20)) }
        #expect(await until { (try? store.freeBytes) ?? 0 > 3 << 20 })
        _ = try await store.put(Contents.bytes(1 << 20))
        #expect(try await store.all().count == 1)
    }

    @Test("fails a copy into the store and an export with `full`, and removes what was written")
    func copies() async throws {
        let disk = try SmallDisk(megabytes: 4)
        let store = try await DirectoryFileStore.open(directory: disk.path + "/files")
        let scratch = try StoreScratch()
        let large = try scratch.file("large", Contents.bytes(5 << 20))
        await #expect(throws: FileStoreError.full) {
            try await withFile(large) { try await store.copy(of: $0, for: alice, limit: .max) }
        }
        #expect(await until { (try? store.freeBytes) ?? 0 > 3 << 20 })
        let key = store.key(try await store.put(Contents.bytes(3 << 20)))
        await #expect(throws: FileStoreError.full) { try await store.export(key, to: disk.path + "/export") }
        #expect(await until { !FileManager.default.fileExists(atPath: disk.path + "/export") })
    }
}
