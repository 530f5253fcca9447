import Synchronization
import Testing

@testable import longtake

@Suite("the log's thread") struct LogWriterTests {
    // Seen to fail where a queue that holds a count of lost lines did not wake the thread: the log stayed silent for ever.
    @Test("writes again when the stream takes lines again, and says how many were lost")
    func recovers() async throws {
        let stream = FailingStream()
        let writer = LogWriter(taking: stream.takes) { "dropped \($0)\n" }
        stream.isBroken.withLock { $0 = true }
        writer.write(isUrgent: false) { "1\n" }
        writer.flush(within: .seconds(20))
        stream.isBroken.withLock { $0 = false }
        writer.write(isUrgent: false) { "2\n" }
        writer.flush(within: .seconds(20))
        #expect(stream.text.withLock { $0 } == "dropped 1\n2\n")
        #expect(writer.dropped == 1)
    }

    private final class FailingStream: Sendable {
        let isBroken = Mutex(false)
        let text = Mutex("")

        @Sendable func takes(_ more: String) -> Bool {
            if isBroken.withLock({ $0 }) { return false }
            text.withLock { $0 += more }
            return true
        }
    }
}
