import Foundation
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeFiles

@Suite("copies of stored content")
struct ContentCopierTests {
    /// A store with one content.
    private struct Site {
        let scratch: StoreScratch
        let key: ContentKey
        let source: ContentDirectories

        init() async throws {
            scratch = try StoreScratch()
            let store = try await scratch.open()
            key = store.key(try await store.put([1, 2, 3]))
            source = try #require(try ContentDirectories.existing(scratch.path + "/files"))
        }
    }

    @Test("have a second name on the same disk, or a file of their own", arguments: [true, false])
    func means(isLink: Bool) async throws {
        let site = try await Site()
        let target = site.scratch.path + "/copy"
        var copier = try ContentCopier(from: site.source, to: target, by: isLink ? .link : .copy)
        #expect(try copier.add(site.key, bytes: 3))
        try copier.finish()
        let copy = "\(target)/tenants/alice/\(site.key.hash.hex.prefix(2))/\(site.key.hash.hex)"
        #expect(try Data(contentsOf: URL(fileURLWithPath: copy)) == Data([1, 2, 3]))
        let (one, other) = (try information(copy), try information(site.scratch.path(of: site.key)))
        #expect((one.st_ino == other.st_ino) == isLink)
        #expect(one.st_mode & 0o777 == 0o400)
    }

    @Test("are files of their own on another disk")
    func otherDisk() async throws {
        let site = try await Site()
        let other = try StoreScratch(in: "/dev/shm")
        var copier = try ContentCopier(from: site.source, to: other.path + "/files", by: .link)
        #expect(try copier.add(site.key, bytes: 3))
        try copier.finish()
        #expect(try await other.open().bytes(site.key) == [1, 2, 3])
    }

    @Test("leave out what is missing or has another size, and repair a copy of another size")
    func damaged() async throws {
        let site = try await Site()
        let target = site.scratch.path + "/copy"
        var copier = try ContentCopier(from: site.source, to: target, by: .copy)
        #expect(try !copier.add(site.key, bytes: 4))
        #expect(try !copier.add(ContentKey(tenant: alice, hash: Samples.content(1).hash), bytes: 3))
        #expect(try copier.add(site.key, bytes: 3))
        let copy = "\(target)/tenants/alice/\(site.key.hash.hex.prefix(2))/\(site.key.hash.hex)"
        try #require(chmod(copy, 0o600) == 0)
        try #require(truncate(copy, 1) == 0)
        #expect(try copier.add(site.key, bytes: 3))
        #expect(try information(copy).st_size == 3)
    }
}
