import Dispatch
import Testing

@testable import LongtakeSQLite

@Suite("the bell that ends the gathering")
struct BellTests {
    @Test("a ring before or within the wait ends it, once")
    func rings() {
        let bell = Bell()
        bell.ring()
        bell.ring()
        #expect(bell.wait(milliseconds: 60_000))
        #expect(!bell.wait(milliseconds: 0), "both were used up")
        // Rung by another thread, wherever the wait is by then.
        DispatchQueue.global().async { bell.ring() }
        #expect(bell.wait(milliseconds: 60_000))
    }
}
