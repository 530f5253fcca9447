import Testing

@testable import LongtakeHTTP

@Suite("connections between two requests")
struct IdleConnectionsTests {
    @Test("the one that has waited longest goes first, and one that left does not")
    func order() {
        var idle = IdleConnections<String>()
        _ = idle.add("a")
        let second = idle.add("b")
        _ = idle.add("c")
        idle.remove(second)
        let again = idle.add("b")
        var taken: [String?] = []
        for _ in 1...4 { taken.append(idle.popLongest()) }
        #expect(taken == ["a", "c", "b", nil])
        idle.remove(again)
        #expect(idle.count == 0)
    }

    // Seen to fail without the filter in `add`.
    @Test("one that comes and goes a thousand times leaves no thousand entries")
    func memory() {
        var idle = IdleConnections<Int>()
        _ = idle.add(0)
        for number in 1...1_000 { idle.remove(idle.add(number)) }
        #expect(idle.memory <= 20)
        let longest = idle.popLongest()
        #expect(longest == 0)
    }
}
