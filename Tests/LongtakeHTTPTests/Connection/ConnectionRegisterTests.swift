import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import LongtakeHTTP

@Suite("idle connections of all event loops")
struct IdleRegisterTests {
    private let loops = (0..<3).map { _ in EmbeddedEventLoop() }
    private let closed = Closed()

    private final class Closed: Sendable {
        let names = Mutex<[String]>([])
    }

    // Fails if only the accepting loop is searched: there is no room then.
    @Test("a loop without idle connections closes one of another loop, on that loop")
    func others() {
        let register = IdleRegister<String>(loops: loops)
        _ = register.add("a", on: loops[1])
        _ = register.add("b", on: loops[2])
        _ = register.add("c", on: loops[2])
        #expect(makeRoom(register))
        loops[1].run()
        #expect(names == [])
        loops[2].run()
        #expect(names == ["b"], "the loop with the most idle connections closes the one that has waited longest")
        #expect(makeRoom(register) && makeRoom(register))
        #expect(!makeRoom(register), "each is reserved for one new connection")
        for loop in loops { loop.run() }
        #expect(names == ["b", "a", "c"] || names == ["b", "c", "a"])
        #expect(!makeRoom(register))
    }

    @Test("a loop closes its own idle connections first, at once")
    func own() {
        let register = IdleRegister<String>(loops: loops)
        _ = register.add("a", on: loops[0])
        _ = register.add("b", on: loops[1])
        #expect(makeRoom(register))
        #expect(names == ["a"])
    }

    @Test("a connection that starts a request before its loop runs stays open and is not counted")
    func busy() {
        let register = IdleRegister<String>(loops: loops)
        let entry = register.add("a", on: loops[1])
        #expect(makeRoom(register))
        if let entry { register.remove(entry, on: loops[1]) }
        loops[1].run()
        #expect(names == [])
        #expect(!makeRoom(register))
        _ = register.add("a", on: loops[1])
        #expect(makeRoom(register))
        loops[1].run()
        #expect(names == ["a"])
    }

    private var names: [String] { closed.names.withLock { $0 } }

    private func makeRoom(_ register: IdleRegister<String>) -> Bool {
        register.makeRoom(on: loops[0]) { [closed] name in closed.names.withLock { $0.append(name) } }
    }
}

@Suite("idle connections of one event loop")
struct IdleConnectionsTests {
    @Test("returns the connection that has waited longest, and no removed one")
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

    // Fails without the filter in `add`.
    @Test("stores few entries when one connection is added and removed a thousand times")
    func memory() {
        var idle = IdleConnections<Int>()
        _ = idle.add(0)
        for number in 1...1_000 { idle.remove(idle.add(number)) }
        #expect(idle.storedEntries <= 20)
        let longest = idle.popLongest()
        #expect(longest == 0)
    }
}
