import Foundation
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeFiles

@Suite("content in a directory")
struct DirectoryFileStoreTests {
    @Test("returns the bytes, the hash and the head of what was written", arguments: [0, 1, 4096, 5 << 20])
    func put(count: Int) async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let bytes = Contents.bytes(count)
        let kept = try await store.put(bytes)
        #expect(kept.content.hash.hex == Contents.known[count])
        #expect(kept.content.bytes == count)
        #expect(kept.head == Array(bytes.prefix(4096)))
        #expect(try await store.bytes(store.key(kept)) == bytes)
        let known = try #require(try await store.keep(store.key(kept)))
        #expect(known.content == kept.content)
        #expect(known.head == kept.head)
        #expect(try scratch.drafts().isEmpty)
    }

    @Test("hashes the copy of a file, from its beginning", arguments: [0, 1, 4096, 5 << 20])
    func copy(count: Int) async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let bytes = Contents.bytes(count)
        let path = try scratch.file("source", bytes)
        let kept = try await withFile(path) { descriptor in
            lseek(descriptor, off_t(count / 2), SEEK_SET)
            return try await store.copy(of: descriptor, for: alice, limit: Int64(count))
        }
        #expect(kept.content.hash.hex == Contents.known[count])
        #expect(kept.head == Array(bytes.prefix(4096)))
        #expect(try await store.bytes(store.key(kept)) == bytes)
        #expect(try information(path).st_ino != information(scratch.path(of: store.key(kept))).st_ino)
    }

    @Test("copies a file from another file system")
    func copyAcross() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let other = try StoreScratch(in: "/dev/shm")
        let path = try other.file("source", Contents.bytes(5 << 20))
        let kept = try await withFile(path) { try await store.copy(of: $0, for: alice, limit: .max) }
        #expect(kept.content.hash.hex == Contents.known[5 << 20])
    }

    @Test("refuses a file that is larger than the limit, also if it only has holes")
    func limit() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let path = try scratch.file("source", [1])
        truncate(path, 1 << 40)
        await #expect(throws: FileStoreError.tooLarge) {
            try await withFile(path) { try await store.copy(of: $0, for: alice, limit: 1 << 30) }
        }
        #expect(try await store.all().isEmpty)
        #expect(await until { (try? scratch.drafts().isEmpty) == true })
    }

    @Test("refuses a file that grows beyond the limit while it is copied")
    func growing() async throws {
        let scratch = try StoreScratch()
        let path = try scratch.file("source", Contents.bytes(1000))
        let store = try await scratch.open()
        await #expect(throws: FileStoreError.tooLarge) {
            try await withFile(path) { descriptor in
                let drafts = store.tree.drafts
                var growing = try DraftFile.Import(
                    descriptor, to: DraftFile(name: "growing", in: drafts), limit: 1000)
                truncate(path, 100_000)
                while try growing.step() == nil {}
            }
        }
    }

    @Test("refuses what is no regular file")
    func irregular() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        for path in ["/dev/zero", "/dev"] {
            await #expect(throws: FileStoreError.failed("is not a regular file")) {
                try await withFile(path) { try await store.copy(of: $0, for: alice, limit: 10) }
            }
        }
    }

    @Test("leaves the file of known content as it is")
    func known() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let first = try await store.put([1, 2, 3])
        let path = scratch.path(of: store.key(first))
        let before = try information(path)
        let second = try await store.put([1, 2, 3])
        let after = try information(path)
        #expect(second.content == first.content)
        #expect(after.st_ino == before.st_ino)
        #expect(after.st_nlink == 1)
        #expect(try scratch.drafts().isEmpty)
    }

    @Test("replaces content of another size, which a restore may leave")
    func torn() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let key = store.key(try await store.put([1, 2, 3]))
        chmod(scratch.path(of: key), 0o600)
        truncate(scratch.path(of: key), 2)
        _ = try await store.put([1, 2, 3])
        #expect(try await store.bytes(key) == [1, 2, 3])
    }

    @Test("stores one file when 16 tasks write the same content")
    func concurrently() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let bytes = Contents.bytes(200_000)
        let contents = try await withThrowingTaskGroup(of: (any KeptContent).self) { group in
            for _ in 0..<16 { group.addTask { try await store.put(bytes) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(contents.map(\.content)).count == 1)
        #expect(try await store.all().count == 1)
        #expect(try await store.bytes(store.key(contents[0])) == bytes)
        #expect(try information(scratch.path(of: store.key(contents[0]))).st_nlink == 1)
        #expect(try scratch.drafts().isEmpty)
    }

    @Test("removes a draft that is discarded, or that nobody has")
    func discard() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let draft = try await store.draft(for: alice)
        try await draft.write([1])
        await draft.discard()
        #expect(try scratch.drafts().isEmpty)
        await #expect(throws: FileStoreError.self) { try await draft.write([2]) }
        await #expect(throws: FileStoreError.self) { try await draft.keep() }
        do { try await store.draft(for: alice).write([3]) }
        #expect(await until { (try? scratch.drafts().isEmpty) == true })
        let kept = try await store.put([4])
        #expect(try await store.all() == ["alice \(kept.content.hash.hex.prefix(8)) 1"])
    }

    @Test("copies content to a new file, which shares no inode with the store")
    func export() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let kept = try await store.put(Contents.bytes(5 << 20))
        let path = scratch.path + "/export"
        try await store.export(store.key(kept), to: path)
        #expect([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) == Contents.bytes(5 << 20))
        let (copy, stored) = (try information(path), try information(scratch.path(of: store.key(kept))))
        #expect(copy.st_ino != stored.st_ino)
        #expect(copy.st_mode & 0o777 == 0o600)
        #expect(stored.st_mode & 0o777 == 0o400)
    }

    @Test("exports neither over a file nor through a link, and leaves nothing of missing content")
    func exportRefused() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let key = store.key(try await store.put([1]))
        let taken = try scratch.file("taken", [9])
        symlink(scratch.path + "/elsewhere", scratch.path + "/link")
        for path in [taken, scratch.path + "/link"] {
            await #expect(throws: FileStoreError.self) { try await store.export(key, to: path) }
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: taken)) == Data([9]))
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/elsewhere"))
        let missing = ContentKey(tenant: alice, hash: ContentHash(bytes: [UInt8](repeating: 0, count: 32)))
        await #expect(throws: FileStoreError.failed("the content is missing")) {
            try await store.export(missing, to: scratch.path + "/missing")
        }
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/missing"))
        #expect(try await store.open(missing) == nil)
        #expect(try await store.keep(missing) == nil)
    }

    @Test("lists the content of all tenants, and ignores what it has not written")
    func list() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        #expect(try await store.all().isEmpty)
        let tenants = ["alice", "anonymous", "a/b", "..", "", "Ä", String(repeating: "x", count: 255)]
        for tenant in tenants { _ = try await store.put([7], for: TenantName(unchecked: tenant)) }
        let key = store.key(try await store.put([7]))
        let prefix = String(key.hash.hex.prefix(2))
        for name in ["README", "notes", "alice/zz", "alice/\(prefix)/note"] {
            _ = try scratch.file("files/tenants/" + name, [1])
        }
        symlink(
            "/etc/passwd", scratch.path + "/files/tenants/alice/\(prefix)/" + prefix + String(repeating: "a", count: 62)
        )
        #expect(try await store.all() == tenants.map { "\($0) \(key.hash.hex.prefix(8)) 1" }.sorted())
    }

    @Test("refuses directories that are links")
    func links() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let outside = scratch.path + "/outside"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
        symlink(outside, scratch.path + "/files/tenants/mallory")
        let mallory = TenantName(unchecked: "mallory")
        await #expect(throws: FileStoreError.self) { try await store.put([1], for: mallory) }
        let key = store.key(try await store.put([1]))
        await #expect(throws: FileStoreError.self) {
            try await store.open(ContentKey(tenant: mallory, hash: key.hash))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside).isEmpty)
        // A link in the place of the content.
        unlink(scratch.path(of: key))
        symlink("/etc/passwd", scratch.path(of: key))
        await #expect(throws: FileStoreError.self) { try await store.open(key) }
    }

    @Test("gives directories the mode 0700")
    func modes() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let key = store.key(try await store.put([1]))
        let prefix = (scratch.path(of: key) as NSString).deletingLastPathComponent
        let tenant = (prefix as NSString).deletingLastPathComponent
        for path in [prefix, tenant, scratch.path + "/files", scratch.path + "/files/drafts"] {
            #expect(try information(path).st_mode & 0o777 == 0o700)
        }
    }

    @Test("reports the free bytes of its file system")
    func free() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        #expect(try store.freeBytes > 0)
    }
}
