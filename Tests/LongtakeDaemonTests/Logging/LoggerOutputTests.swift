import Testing

@testable import longtake

@Suite("the queue of log lines") struct LogQueueTests {
    @Test("keeps lines up to its bounds, counts the others, and tells of them where they are missing")
    func bounds() {
        var queue = LogQueue(mostLines: 3, mostBytes: 10)
        for line in ["aaaa", "bbbb", "cccc", "dddd"] { queue.put(line, isUrgent: true) }
        #expect(!queue.isFull(isUrgent: true), "two bytes are left")
        queue.put("ee", isUrgent: true)
        #expect(queue.isFull(isUrgent: true) && queue.dropped == 2)
        #expect(queue.take() == [.line("aaaa"), .line("bbbb"), .dropped(2), .line("ee")])
        #expect(queue.isEmpty && !queue.isFull(isUrgent: true) && queue.dropped == 2)
        for line in ["1", "2", "3", "4"] { queue.put(line, isUrgent: true) }
        queue.drop()
        #expect(queue.take() == [.line("1"), .line("2"), .line("3"), .dropped(2)])
        #expect(queue.dropped == 4)
    }

    @Test("counts what could not be written before all that waits, and counts no line twice")
    func lost() {
        var queue = LogQueue(mostLines: 2, mostBytes: 100)
        for line in ["1", "2", "3"] { queue.put(line, isUrgent: true) }
        let batch = queue.take()
        queue.put("4", isUrgent: true)
        queue.lost(batch.dropFirst())
        #expect(queue.dropped == 2, "3 was dropped, and 2 was lost")
        queue.lost([.dropped(5)])
        #expect(queue.take() == [.dropped(7), .line("4")])
        #expect(queue.dropped == 2)
        queue.lost([])
        #expect(queue.isEmpty)
    }

    // Seen to fail with the whole room for everybody.
    @Test("keeps a quarter of its room for warnings and errors")
    func urgent() {
        var queue = LogQueue(mostLines: 4, mostBytes: 100)
        for line in ["1", "2", "3", "4"] { queue.put(line) }
        #expect(queue.isFull(isUrgent: false) && !queue.isFull(isUrgent: true))
        queue.put("!", isUrgent: true)
        #expect(queue.take() == [.line("1"), .line("2"), .line("3"), .dropped(1), .line("!")])
    }
}
