import LongtakeCore
import Testing

@testable import LongtakeFiles

@Suite("the decisions of the cleaner")
struct RemovalStateTests {
    @Test("a pause waits for running removals, and no removal begins before the last resume")
    func pause() {
        var state = RemovalState<Int>()
        #expect(state.begin() == true)
        #expect(state.pause(1) == nil)
        #expect(state.begin() == false)
        #expect(state.end() == [1])
        #expect(state.pause(2) == 2)
        #expect(state.resume() == false)
        #expect(state.begin() == false)
        #expect(state.resume() == true)
        #expect(state.begin() == true)
        #expect(state.end() == [])
    }

    @Test("retries after 1 s, and then less often up to a minute; logs the first failure and the end")
    func retry() {
        var retry = CleaningRetry()
        let delays = (0..<9).map { _ in retry.failed() }
        #expect(delays.map(\.delay) == [1, 2, 4, 8, 16, 32, 60, 60, 60].map { .seconds($0) })
        #expect(delays.map(\.isNew) == [true] + [Bool](repeating: false, count: 8))
        #expect(retry.succeeded() == true)
        #expect(retry.succeeded() == false)
        #expect(retry.failed() == (.seconds(1), true))
    }

    @Test("released content is remembered up to a limit, and what was forgotten is said once")
    func released() {
        let released = ReleasedContent(limit: 2)
        let keys = (0..<3).map {
            ContentKey(tenant: alice, hash: ContentHash(bytes: [UInt8](repeating: $0, count: 32)))
        }
        for key in keys { released.add(key) }
        #expect(Set(released.take(10)) == Set(keys.prefix(2)))
        #expect(released.take(10).isEmpty)
        #expect(released.takeIncompleteness())
        #expect(!released.takeIncompleteness())
    }
}
