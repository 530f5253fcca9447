import Synchronization
import Testing

@testable import longtake

@Suite("logger buffer") struct LoggerBufferTests {
    @Test("keeps lines up to its limits, and marks where others were dropped")
    func bounds() {
        var buffer = LoggerBuffer(maxLines: 3, maxBytes: 10)
        for line in ["aaaa", "bbbb", "cccc", "dddd"] { buffer.append(line, isUrgent: true) }
        #expect(!buffer.isFull(isUrgent: true), "two bytes are left")
        buffer.append("ee", isUrgent: true)
        #expect(buffer.isFull(isUrgent: true) && buffer.dropped == 2)
        #expect(buffer.takeAll() == [.line("aaaa"), .line("bbbb"), .dropped(2), .line("ee")])
        #expect(buffer.isEmpty && !buffer.isFull(isUrgent: true) && buffer.dropped == 2)
        for line in ["1", "2", "3", "4"] { buffer.append(line, isUrgent: true) }
        buffer.drop()
        #expect(buffer.takeAll() == [.line("1"), .line("2"), .line("3"), .dropped(2)])
        #expect(buffer.dropped == 4)
    }

    @Test("counts unwritten lines before waiting lines, and counts each line once")
    func unwritten() {
        var buffer = LoggerBuffer(maxLines: 2, maxBytes: 100)
        for line in ["1", "2", "3"] { buffer.append(line, isUrgent: true) }
        let batch = buffer.takeAll()
        buffer.append("4", isUrgent: true)
        buffer.countUnwritten(batch.dropFirst())
        #expect(buffer.dropped == 2, "3 did not fit, and 2 was not written")
        buffer.countUnwritten([.dropped(5)])
        #expect(buffer.takeAll() == [.dropped(7), .line("4")])
        #expect(buffer.dropped == 2)
        buffer.countUnwritten([])
        #expect(buffer.isEmpty)
    }

    // This test failed when all lines shared the whole buffer.
    @Test("reserves a quarter of its space for warnings and errors")
    func urgent() {
        var buffer = LoggerBuffer(maxLines: 4, maxBytes: 100)
        for line in ["1", "2", "3", "4"] { buffer.append(line) }
        #expect(buffer.isFull(isUrgent: false) && !buffer.isFull(isUrgent: true))
        buffer.append("!", isUrgent: true)
        #expect(buffer.takeAll() == [.line("1"), .line("2"), .line("3"), .dropped(1), .line("!")])
    }
}

@Suite("logger output") struct LoggerOutputTests {
    // This test failed when a buffer that contained only a count did not wake the thread: no more
    // lines were written.
    @Test("writes again when the stream recovers, and says how many lines were dropped")
    func recovers() async throws {
        let stream = FailingStream()
        let output = LoggerOutput(writeText: stream.write) { "dropped \($0)\n" }
        stream.isBroken.withLock { $0 = true }
        output.write(isUrgent: false) { "1\n" }
        output.flush(within: .seconds(20))
        stream.isBroken.withLock { $0 = false }
        output.write(isUrgent: false) { "2\n" }
        output.flush(within: .seconds(20))
        #expect(stream.text.withLock { $0 } == "dropped 1\n2\n")
        #expect(output.dropped == 1)
    }

    private final class FailingStream: Sendable {
        let isBroken = Mutex(false)
        let text = Mutex("")

        @Sendable func write(_ more: String) -> Bool {
            if isBroken.withLock({ $0 }) { return false }
            text.withLock { $0 += more }
            return true
        }
    }
}
