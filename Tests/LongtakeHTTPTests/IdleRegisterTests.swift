import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@testable import LongtakeHTTP

@Suite("idle connections of all loops")
struct IdleRegisterTests {
    private let loops = (0..<3).map { _ in EmbeddedEventLoop() }
    private let closed = Closed()

    private final class Closed: Sendable {
        let names = Mutex<[String]>([])
    }

    /// Seen to fail where only the accepting loop was looked at: there was no room.
    @Test("a loop that has none has one of another loop closed, on that loop")
    func others() {
        let register = IdleRegister<String>(loops: loops)
        _ = register.add("a", on: loops[1])
        _ = register.add("b", on: loops[2])
        _ = register.add("c", on: loops[2])
        #expect(makeRoom(register))
        loops[1].run()
        #expect(names == [])
        loops[2].run()
        #expect(names == ["b"], "of the loop that has most, the one that has waited longest")
        #expect(makeRoom(register) && makeRoom(register))
        #expect(!makeRoom(register), "each was promised to one newcomer")
        for loop in loops { loop.run() }
        #expect(names == ["b", "a", "c"] || names == ["b", "c", "a"])
        #expect(!makeRoom(register))
    }

    @Test("its own come first, at once")
    func own() {
        let register = IdleRegister<String>(loops: loops)
        _ = register.add("a", on: loops[0])
        _ = register.add("b", on: loops[1])
        #expect(makeRoom(register))
        #expect(names == ["a"])
    }

    @Test("one that begins a request before its loop comes to it is left alone, and is not counted")
    func busy() {
        let register = IdleRegister<String>(loops: loops)
        let stay = register.add("a", on: loops[1])
        #expect(makeRoom(register))
        if let stay { register.remove(stay, on: loops[1]) }
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
