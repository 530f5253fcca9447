import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeFiles

@Suite("the bytes of stored content")
struct ContentUsageTests {
    private let key = ContentKey(tenant: alice, hash: Samples.content(1).hash)
    private let other = ContentKey(tenant: alice, hash: Samples.content(2).hash)
    private let place = ContentUsage.Place(tenant: alice, prefix: "00")

    /// The moments of a page of the listing, and of a removal or a put, in every order:
    ///
    ///     listing   read ........ add
    ///     change         begin ... unlink or rename ... end
    @Test(
        "are exact, however a change and a page of the listing overlap",
        arguments: [(70, 0), (0, 70), (70, 30)] as [(Int64, Int64)])
    func overlaps(before: Int64, after: Int64) {
        for schedule in Self.interleavings(["read", "add"], ["begin", "act", "end"]) {
            var usage = ContentUsage()
            var (stored, page) = (before, [(key: ContentKey, bytes: Int64)]())
            for step in schedule {
                switch step {
                case "read": page = [(other, 5)] + (stored > 0 ? [(key, stored)] : [])
                case "add": usage.add(place, page)
                case "begin": usage.begin(key, in: place)
                case "act": stored = after
                default: usage.end(key, in: place, before: before, after: after)
                }
            }
            #expect(usage.bytes == 5 + after, "\(schedule)")
            usage.complete()
            usage.begin(key, in: place)
            usage.end(key, in: place, before: after, after: 0)
            #expect(usage.bytes == 5, "\(schedule), then removed")
        }
    }

    @Test("are exact if content changes twice before its place is listed, or in a place that is never listed")
    func twice() {
        var usage = ContentUsage()
        for (before, after) in [(0, 10), (10, 0), (0, 20)] as [(Int64, Int64)] {
            usage.begin(key, in: place)
            usage.end(key, in: place, before: before, after: after)
        }
        #expect(usage.bytes == 20)
        usage.complete()
        usage.begin(key, in: place)
        usage.end(key, in: place, before: 20, after: 0)
        #expect(usage.bytes == 0)
    }

    @Test("count a place once, so a listing that failed can begin again")
    func again() {
        var usage = ContentUsage()
        for _ in 1...2 { usage.add(place, [(other, 5)]) }
        #expect(usage.bytes == 5 && !usage.isComplete)
    }

    @Test("count what earlier processes have stored, what is added, and what is removed")
    func store() async throws {
        let scratch = try StoreScratch()
        let keys: [ContentKey]
        do {
            let store = try await scratch.open()
            let kept = [try await store.put([1]), try await store.put([2, 2])]
            #expect(store.usedBytes == 3)
            keys = kept.map { store.key($0) }
        }
        let store = try await scratch.open()
        #expect(store.usedBytes == 0)
        _ = try await store.put([3, 3, 3])
        _ = try await store.put([1])
        try await store.count()
        #expect(store.usedBytes == 6)
        try await store.count()
        #expect(store.usedBytes == 6, "a second listing changes nothing")
        #expect(try await store.remove(keys[1]) { true })
        #expect(store.usedBytes == 4)
        _ = try await store.put([2, 2], for: TenantName(unchecked: "bob"))
        #expect(store.usedBytes == 6)
    }

    /// All orders of two sequences that keep the order within each.
    private static func interleavings(_ one: [String], _ other: [String]) -> [[String]] {
        guard let first = one.first, let second = other.first else { return [one + other] }
        return interleavings(Array(one.dropFirst()), other).map { [first] + $0 }
            + interleavings(one, Array(other.dropFirst())).map { [second] + $0 }
    }
}
