import Foundation
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeFiles

@Suite("the table of kept and locked content")
struct ContentTableTests {
    private let key = ContentKey(tenant: alice, hash: ContentHash(bytes: [UInt8](repeating: 1, count: 32)))

    @Test("gives the lock to the waiters in order")
    func order() {
        var table = ContentTable<Int>()
        #expect(table.lock(key, for: 1) == 1)
        #expect(table.lock(key, for: 2) == nil)
        #expect(table.lock(key, for: 3) == nil)
        #expect(table.unlock(key) == 2)
        #expect(table.unlock(key) == 3)
        #expect(table.unlock(key) == nil)
        #expect(table.isEmpty)
    }

    @Test("locks different content independently")
    func independent() {
        var table = ContentTable<Int>()
        let other = ContentKey(tenant: TenantName(unchecked: "bob"), hash: key.hash)
        #expect(table.lock(key, for: 1) == 1)
        #expect(table.lock(other, for: 2) == 2)
    }

    @Test("says when the last keeper has gone, and forgets the content")
    func release() {
        var table = ContentTable<Int>()
        _ = table.lock(key, for: 1)
        table.keep(key)
        table.keep(key)
        _ = table.unlock(key)
        #expect(table.isKept(key))
        #expect(table.release(key) == false)
        #expect(table.release(key) == true)
        #expect(!table.isKept(key))
        #expect(table.isEmpty)
    }
}

@Suite("removal of content")
struct RemovalTests {
    //     removal                           keeper
    //  1  locks the content
    //  2  asks whether it is unused
    //  3                                    keep: waits for the lock
    //  4  "unused": unlinks, unlocks
    //  5                                    finds nothing
    @Test("a keeper that comes while the rows are asked finds no content afterwards")
    func keepDuringRemoval() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let key = store.key(try await store.put([1, 2]))
        let (asked, answer) = (Signal(), Signal())
        async let isGone = store.remove(key) {
            asked.give()
            await answer.wait()
            return true
        }
        await asked.wait()
        async let kept = store.keep(key)
        #expect(await until { store.holds.waiting(for: key) == 1 })
        #expect(try await store.bytes(key) != nil)
        answer.give()
        #expect(try await isGone)
        #expect(try await kept == nil)
        #expect(store.holds.isEmpty)
    }

    //     removal                           writer of the same content
    //  1  locks, asks whether it is unused
    //  2                                    keep of a draft: waits for the lock
    //  3  "unused": unlinks, unlocks
    //  4                                    renames the draft: the content is there
    @Test("content that is written while it is removed exists afterwards")
    func putDuringRemoval() async throws {
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let key = store.key(try await store.put([1, 2]))
        let (asked, answer) = (Signal(), Signal())
        async let isGone = store.remove(key) {
            asked.give()
            await answer.wait()
            return true
        }
        await asked.wait()
        async let kept = store.put([1, 2])
        #expect(await until { store.holds.waiting(for: key) == 1 })
        answer.give()
        #expect(try await isGone)
        _ = try await kept
        #expect(try await store.bytes(key) == [1, 2])
    }

    @Test("removes nothing that is kept, and does not ask the rows about it")
    func kept() async throws {
        let scratch = try StoreScratch()
        let released = Seen<ContentKey>()
        let store = try await scratch.open { released.add($0) }
        var kept: (any KeptContent)? = try await store.put([1])
        var second = try await store.keep(store.key(kept!))
        let key = store.key(kept!)
        kept = nil
        #expect(released.list.isEmpty)
        #expect(second != nil)
        let isGone = try await store.remove(key) {
            Issue.record("asked about kept content")
            return true
        }
        #expect(!isGone)
        second = nil
        #expect(released.list == [key])
        #expect(try await store.remove(key) { true } == true)
        #expect(try await store.bytes(key) == nil)
        #expect(try await store.remove(key) { true } == true, "missing content is gone")
    }

    @Test("removes nothing that is used, or of which the rows say nothing")
    func used() async throws {
        struct Unreadable: Error {}
        let scratch = try StoreScratch()
        let store = try await scratch.open()
        let key = store.key(try await store.put([1]))
        #expect(try await store.remove(key) { false } == false)
        await #expect(throws: Unreadable.self) { try await store.remove(key) { throw Unreadable() } }
        #expect(try await store.bytes(key) == [1])
        #expect(store.holds.isEmpty)
    }
}
