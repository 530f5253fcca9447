import LongtakeCore
import Testing

@testable import LongtakeStorage

@Suite("the commands of the writer")
struct CommandQueueTests {
    private typealias Queue = CommandQueue<TestCommand>

    @Test("the timer starts with the first command, and stops when no command is left")
    func ticking() throws {
        var queue = Queue()
        #expect(try queue.add(TestCommand(.normal)).startsTicking)
        #expect(try queue.add(TestCommand(.normal)).startsTicking == false)
        #expect(queue.tick().goesOn)
        _ = queue.take()
        #expect(queue.tick().goesOn, "the writer has a batch")
        queue.finishBatch()
        #expect(queue.tick().goesOn == false)
        #expect(queue.isEmpty)
        #expect(try queue.add(TestCommand(.normal)).startsTicking)
    }

    @Test("when the disk does not answer, waiting clients learn that nothing happened, and it is reported once")
    func stalled() throws {
        var queue = Queue()
        _ = try queue.add(TestCommand(.critical))
        _ = queue.take()
        queue.beginDiskAccess()
        for command in [TestCommand(.submission), TestCommand(.report), .cancel] { _ = try queue.add(command) }
        for _ in 1...WriterWatchdog<TestCommand>.stallTicks { #expect(queue.tick().failed.isEmpty) }
        let tick = queue.tick()
        #expect(tick.stallChange == true && tick.goesOn)
        #expect(tick.failed.map(\.command.kind) == [.critical, .submission])
        #expect(tick.failed.allSatisfy { $0.error == Queue.stalled })
        #expect(throws: Queue.stalled) { try queue.add(TestCommand(.submission)) }
        #expect(queue.tick().stallChange == nil)
        queue.endDiskAccess()
        #expect(queue.tick().stallChange == false)
        #expect(try queue.add(TestCommand(.submission)).startsTicking == false)
    }

    @Test("after its time, a client learns that the outcome of its running command is unknown")
    func late() throws {
        var queue = Queue()
        _ = try queue.add(TestCommand(.submission))
        _ = try queue.add(TestCommand(.probe))
        #expect(queue.take().count == 2)
        for _ in 1..<WriterWatchdog<TestCommand>.responseTicks { #expect(queue.tick().failed.isEmpty) }
        let failed = queue.tick().failed
        #expect(failed.first { $0.command.kind == .submission }?.error == .unanswered)
        #expect(failed.first { $0.command.kind == .probe }?.error == Queue.stalled)
        _ = try queue.add(.cancel)
        for _ in 1..<WriterWatchdog<TestCommand>.responseTicks { #expect(queue.tick().failed.isEmpty) }
        #expect(queue.tick().failed.map(\.error) == [Queue.stalled], "no transaction has taken it")
    }

    @Test("after a block, parked commands return when the store is unblocked")
    func blocked() throws {
        var queue = Queue()
        _ = try queue.add(TestCommand(.critical))
        queue.park(queue.take()[0])
        queue.finishBatch()
        queue.block(with: .cannotPersist("full"))
        #expect(throws: JournalError.cannotPersist("full")) { try queue.add(TestCommand(.normal)) }
        #expect(!queue.hasRunnable)
        _ = queue.unblock()
        #expect(queue.hasRunnable && queue.take().map(\.kind) == [.critical])
    }
}
