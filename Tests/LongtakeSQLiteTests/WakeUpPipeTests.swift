import Dispatch
import Testing

@testable import LongtakeSQLite

@Suite("the pipe that wakes the writer")
struct WakeUpPipeTests {
    @Test("a signal before or during the wait ends it, once")
    func signals() {
        let pipe = WakeUpPipe()
        pipe.signal()
        pipe.signal()
        #expect(pipe.wait(milliseconds: 60_000))
        #expect(!pipe.wait(milliseconds: 0), "the wait has consumed both")
        // From another thread, at any time relative to the wait.
        DispatchQueue.global().async { pipe.signal() }
        #expect(pipe.wait(milliseconds: 60_000))
    }
}
